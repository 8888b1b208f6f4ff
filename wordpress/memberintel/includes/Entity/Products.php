<?php

namespace MemberIntel\Entity;

use MemberIntel\Value;

/** What can be bought: MemberPress calls it a membership. */
final class Products extends Post
{
    public function name(): string
    {
        return 'products';
    }

    public function code(): int
    {
        return 4;
    }

    protected function type(): string
    {
        return 'memberpressproduct';
    }

    protected function keys(): array
    {
        return ['_mepr_product_price', '_mepr_product_period', '_mepr_product_period_type', '_mepr_product_trial',
            '_mepr_product_trial_days', '_mepr_product_trial_amount', '_mepr_product_trial_once', '_mepr_product_limit_cycles',
            '_mepr_product_limit_cycles_num', '_mepr_product_limit_cycles_action',
            '_mepr_product_limit_cycles_expires_after', '_mepr_product_limit_cycles_expires_type', '_mepr_expire_type',
            '_mepr_expire_after', '_mepr_expire_unit', '_mepr_expire_fixed', '_mepr_group_id', '_mepr_group_order',
            '_mepr_plan_code', '_mepr_product_plan_code', '_mepr_stripe_%'];
    }

    protected function parts(): array
    {
        return array_merge([$this->currencyPart()], parent::parts());
    }

    protected function row(array $post, array $meta): array
    {
        $of = static function (string $key) use ($meta) {
            return $meta["_mepr_product_$key"] ?? '';
        };
        $fixed = Value::text($meta['_mepr_expire_fixed'] ?? '');
        return $this->head($post, true) + [
            'price' => Value::money($of('price')),
            'currency' => $this->memberpress->currency(),
            'period' => Value::number($of('period')),
            'period_type' => Value::text($of('period_type')),
            'trial' => Value::flag($of('trial')),
            'trial_days' => Value::number($of('trial_days')),
            'trial_amount' => Value::money($of('trial_amount')),
            'trial_once' => Value::flag($of('trial_once')),
            'limit_cycles' => Value::flag($of('limit_cycles')),
            'limit_cycles_num' => Value::number($of('limit_cycles_num')),
            'limit_cycles_action' => Value::text($of('limit_cycles_action')),
            'limit_cycles_expires_after' => Value::number($of('limit_cycles_expires_after')),
            'limit_cycles_expires_type' => Value::text($of('limit_cycles_expires_type')),
            'expire_type' => Value::text($meta['_mepr_expire_type'] ?? 'none'),
            'expire_after' => Value::number($meta['_mepr_expire_after'] ?? 0),
            'expire_unit' => Value::text($meta['_mepr_expire_unit'] ?? ''),
            'expire_fixed' => preg_match('/^[1-9]\d{3}-\d\d-\d\d/', $fixed) ? substr($fixed, 0, 10) : null,
            'group_id' => Value::id($meta['_mepr_group_id'] ?? 0),
            'group_order' => Value::number($meta['_mepr_group_order'] ?? 0),
            'plan_code' => Value::text($meta['_mepr_plan_code'] ?? $of('plan_code')),
            'gateway_objects' => $this->objects($meta),
        ];
    }

    /**
     * The ids that gateways gave the product and its prices.
     *
     * @param array<string, ?string> $meta
     * @return array<int, array{key: string, id: string}>
     */
    private function objects(array $meta): array
    {
        ksort($meta);
        $objects = [];
        foreach ($meta as $key => $value) {
            if (strpos((string) $key, '_mepr_stripe_') === 0 && preg_match('/^(prod|price|plan)_\w+$/', (string) $value)) {
                $objects[] = ['key' => (string) $key, 'id' => (string) $value];
            }
        }
        return $objects;
    }
}
