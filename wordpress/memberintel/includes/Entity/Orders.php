<?php

namespace MemberIntel\Entity;

use MemberIntel\Entity;
use MemberIntel\Value;

/** What was bought in one go. With order bumps the charge stands here and not on the transactions. */
final class Orders extends Entity
{
    private const COLUMNS = ['id', 'user_id', 'primary_transaction_id', 'trans_num', 'status', 'gateway', 'created_at'];

    public function name(): string
    {
        return 'orders';
    }

    public function code(): int
    {
        return 8;
    }

    public function table(): string
    {
        return $this->db->table('mepr_orders');
    }

    public function rows(array $ids): array
    {
        $rows = [];
        foreach ($this->stored(self::COLUMNS, $ids) as $id => $order) {
            $rows[$id] = [
                'id' => (int) $id,
                'member_id' => Value::id($order['user_id']),
                'primary_transaction_id' => Value::id($order['primary_transaction_id']),
                'trans_num' => Value::text($order['trans_num']),
                'status' => Value::text($order['status']),
                'gateway' => Value::text($order['gateway']),
                'created_at' => Value::time($order['created_at']),
            ];
        }
        return $rows;
    }

    protected function parts(): array
    {
        return $this->covered(self::COLUMNS);
    }
}
