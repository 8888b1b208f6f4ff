<?php

namespace MemberIntel\Entity;

use MemberIntel\Child;
use MemberIntel\Entity;
use MemberIntel\Span;
use MemberIntel\Value;

/** Standing agreements. When one was stopped or paused stands only in MemberPress' events, so these count as part of it. */
final class Subscriptions extends Entity
{
    private const COLUMNS = ['id', 'user_id', 'product_id', 'coupon_id', 'order_id', 'subscr_id', 'price', 'total', 'tax_amount',
        'tax_reversal_amount', 'tax_rate', 'tax_desc', 'tax_class', 'tax_compound', 'tax_shipping', 'gateway', 'period',
        'period_type', 'limit_cycles', 'limit_cycles_num', 'limit_cycles_action', 'limit_cycles_expires_after',
        'limit_cycles_expires_type', 'prorated_trial', 'trial', 'trial_days', 'trial_amount', 'trial_tax_amount', 'trial_total',
        'status', 'created_at'];

    private const MOMENTS = ['subscription-stopped', 'subscription-paused', 'subscription-resumed'];

    public function name(): string
    {
        return 'subscriptions';
    }

    public function code(): int
    {
        return 3;
    }

    public function table(): string
    {
        return $this->db->table('mepr_subscriptions');
    }

    public function rows(array $ids): array
    {
        $moments = $this->momentsOf($ids);
        $currency = $this->memberpress->currency();
        $rows = [];
        foreach ($this->stored(self::COLUMNS, $ids) as $id => $sub) {
            $at = $moments[$id] ?? [];
            $rows[$id] = [
                'id' => (int) $id,
                'member_id' => Value::id($sub['user_id']),
                'product_id' => Value::id($sub['product_id']),
                'coupon_id' => Value::id($sub['coupon_id']),
                'order_id' => Value::id($sub['order_id']),
                'status' => Value::text($sub['status']),
                'subscr_id' => Value::text($sub['subscr_id']),
                'gateway' => Value::text($sub['gateway']),
                'price' => Value::money($sub['price']),
                'total' => Value::money($sub['total']),
                'tax_amount' => Value::money($sub['tax_amount']),
                'tax_reversal_amount' => Value::money($sub['tax_reversal_amount']),
                'tax_rate' => $sub['tax_rate'] ?? '0.000',
                'tax_desc' => Value::text($sub['tax_desc']),
                'tax_class' => Value::text($sub['tax_class']),
                'tax_compound' => Value::flag($sub['tax_compound']),
                'tax_shipping' => Value::flag($sub['tax_shipping']),
                'currency' => $currency,
                'period' => Value::number($sub['period']),
                'period_type' => Value::text($sub['period_type']),
                'limit_cycles' => Value::flag($sub['limit_cycles']),
                'limit_cycles_num' => Value::number($sub['limit_cycles_num']),
                'limit_cycles_action' => Value::text($sub['limit_cycles_action']),
                'limit_cycles_expires_after' => Value::number($sub['limit_cycles_expires_after']),
                'limit_cycles_expires_type' => Value::text($sub['limit_cycles_expires_type']),
                'trial' => Value::flag($sub['trial']),
                'trial_days' => Value::number($sub['trial_days']),
                'trial_amount' => Value::money($sub['trial_amount']),
                'trial_tax_amount' => Value::money($sub['trial_tax_amount']),
                'trial_total' => Value::money($sub['trial_total']),
                'prorated_trial' => Value::flag($sub['prorated_trial']),
                'created_at' => Value::time($sub['created_at']),
                'stopped_at' => Value::time($at['subscription-stopped'] ?? null),
                'paused_at' => Value::time($at['subscription-paused'] ?? null),
                'resumed_at' => Value::time($at['subscription-resumed'] ?? null),
            ];
        }
        return $rows;
    }

    protected function parts(): array
    {
        return array_merge([$this->currencyPart()], $this->covered(self::COLUMNS));
    }

    protected function children(): array
    {
        $children = [];
        $meta = $this->db->table('mepr_subscription_meta');
        if ($this->db->has($meta)) {
            $children[] = new Child($meta, 'subscription_id', ['meta_key', 'meta_value']);
        }
        $events = $this->db->table('mepr_events');
        if ($this->db->has($events)) {
            $children[] = new Child($events, 'evt_id', ['event', 'created_at'], $this->told());
        }
        return $children;
    }

    /** The condition, over k, for the events that are told here. */
    private function told(): string
    {
        return "k.evt_id_type = 'subscriptions' AND k.event IN ('" . implode("', '", self::MOMENTS) . "')";
    }

    /**
     * @param int[] $ids
     * @return array<int, array<string, ?string>>
     */
    private function momentsOf(array $ids): array
    {
        $events = $this->db->table('mepr_events');
        if (!$this->db->has($events)) {
            return [];
        }
        $moments = [];
        $found = $this->db->rows("SELECT k.evt_id, k.event, MIN(k.created_at) AS created_at FROM $events k
            WHERE {$this->told()} AND " . Span::ids($ids)->over('k.evt_id') . ' GROUP BY k.evt_id, k.event');
        foreach ($found as $row) {
            $moments[(int) $row['evt_id']][$row['event']] = $row['created_at'];
        }
        return $moments;
    }
}
