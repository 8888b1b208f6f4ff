<?php

namespace MemberIntel\Entity;

use MemberIntel\Child;
use MemberIntel\Entity;
use MemberIntel\Span;
use MemberIntel\Value;

/** Payments and grants of access. `response` and everything else that a gateway answered stays at home. */
final class Transactions extends Entity
{
    private const COLUMNS = ['id', 'amount', 'total', 'tax_amount', 'tax_reversal_amount', 'tax_rate', 'tax_desc', 'tax_class',
        'tax_compound', 'tax_shipping', 'user_id', 'product_id', 'coupon_id', 'trans_num', 'status', 'txn_type', 'gateway',
        'subscription_id', 'prorated', 'created_at', 'expires_at', 'corporate_account_id', 'parent_transaction_id',
        'order_id', 'refunded_at'];

    private const GIFT = ['_is_gift_complete', '_gifter_id', '_gift_coupon_id', '_gift_status', '_gifter_txn'];

    public function name(): string
    {
        return 'transactions';
    }

    public function code(): int
    {
        return 2;
    }

    public function table(): string
    {
        return $this->db->table('mepr_transactions');
    }

    public function rows(array $ids): array
    {
        $gifts = $this->giftsOf($ids);
        $currency = $this->memberpress->currency();
        $rows = [];
        foreach ($this->stored(self::COLUMNS, $ids) as $id => $txn) {
            $rows[$id] = [
                'id' => (int) $id,
                'member_id' => Value::id($txn['user_id']),
                'product_id' => Value::id($txn['product_id']),
                'subscription_id' => Value::id($txn['subscription_id']),
                'coupon_id' => Value::id($txn['coupon_id']),
                'parent_transaction_id' => Value::id($txn['parent_transaction_id']),
                'corporate_account_id' => Value::id($txn['corporate_account_id']),
                'order_id' => Value::id($txn['order_id']),
                'type' => Value::text($txn['txn_type']),
                'status' => Value::text($txn['status']),
                'trans_num' => Value::text($txn['trans_num']),
                'gateway' => Value::text($txn['gateway']),
                'amount' => Value::money($txn['amount']),
                'total' => Value::money($txn['total']),
                'tax_amount' => Value::money($txn['tax_amount']),
                'tax_reversal_amount' => Value::money($txn['tax_reversal_amount']),
                'tax_rate' => $txn['tax_rate'] ?? '0.000',
                'tax_desc' => Value::text($txn['tax_desc']),
                'tax_class' => Value::text($txn['tax_class']),
                'tax_compound' => Value::flag($txn['tax_compound']),
                'tax_shipping' => Value::flag($txn['tax_shipping']),
                'currency' => $currency,
                'prorated' => Value::flag($txn['prorated']),
                'created_at' => Value::time($txn['created_at']),
                'expires_at' => Value::until($txn['expires_at']),
                'lifetime' => Value::never($txn['expires_at']),
                'refunded_at' => Value::time($txn['refunded_at']),
                'gift' => $gifts[$id] ?? null,
            ];
        }
        return $rows;
    }

    protected function parts(): array
    {
        return array_merge([$this->currencyPart()], $this->covered(self::COLUMNS));
    }

    /** All of the meta counts, so that a note on a transaction is a change of it too. */
    protected function children(): array
    {
        $meta = $this->db->table('mepr_transaction_meta');
        return $this->db->has($meta) ? [new Child($meta, 'transaction_id', ['meta_key', 'meta_value'])] : [];
    }

    /**
     * @param int[] $ids
     * @return array<int, array<string, mixed>>
     */
    private function giftsOf(array $ids): array
    {
        $table = $this->db->table('mepr_transaction_meta');
        if (!$this->db->has($table)) {
            return [];
        }
        $list = "'" . implode("', '", self::GIFT) . "'";
        $found = $this->db->rows("SELECT k.transaction_id, k.meta_key, k.meta_value FROM $table k
            WHERE " . Span::ids($ids)->over('k.transaction_id') . " AND k.meta_key IN ($list) ORDER BY k.id");
        $meta = [];
        foreach ($found as $row) {
            $meta[(int) $row['transaction_id']][$row['meta_key']] = $row['meta_value'];
        }
        return array_map(static function (array $of): array {
            return [
                'complete' => Value::flag($of['_is_gift_complete'] ?? ''),
                'status' => isset($of['_gift_status']) ? Value::text($of['_gift_status']) : null,
                'coupon_id' => Value::id($of['_gift_coupon_id'] ?? 0),
                'gifter_id' => Value::id($of['_gifter_id'] ?? 0),
                'gifter_transaction_id' => Value::id($of['_gifter_txn'] ?? 0),
            ];
        }, $meta);
    }
}
