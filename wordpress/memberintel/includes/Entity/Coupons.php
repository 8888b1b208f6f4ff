<?php

namespace MemberIntel\Entity;

use MemberIntel\Value;

/** Coupons, those of gifts included. A post's title is the code. */
final class Coupons extends Post
{
    public function name(): string
    {
        return 'coupons';
    }

    public function code(): int
    {
        return 6;
    }

    protected function type(): string
    {
        return 'memberpresscoupon';
    }

    protected function keys(): array
    {
        return ['_mepr_coupons_%'];
    }

    protected function row(array $post, array $meta): array
    {
        $of = static function (string $key) use ($meta) {
            return $meta["_mepr_coupons_$key"] ?? null;
        };
        $head = $this->head($post, false);
        $products = Value::meta($of('valid_products'));
        return [
            'id' => $head['id'],
            'code' => $head['title'],
            'status' => $head['status'],
            'created_at' => $head['created_at'],
            'modified_at' => $head['modified_at'],
            'discount_type' => Value::text($of('discount_type')),
            'discount_amount' => Value::money($of('discount_amount')),
            'discount_mode' => Value::text($of('discount_mode')),
            'usage_limit' => Value::number($of('usage_amount')),
            'starts_at' => Value::flag($of('should_start')) ? Value::moment($of('starts_on')) : null,
            'expires_at' => Value::flag($of('should_expire')) ? Value::moment($of('expires_on')) : null,
            'product_ids' => is_array($products)
                ? array_values(array_filter(array_map([Value::class, 'id'], $products)))
                : [],
            'trial' => Value::flag($of('trial')),
            'trial_days' => Value::number($of('trial_days')),
            'trial_amount' => Value::money($of('trial_amount')),
            'first_payment_discount_type' => Value::text($of('first_payment_discount_type')),
            'first_payment_discount_amount' => Value::money($of('first_payment_discount_amount')),
        ];
    }
}
