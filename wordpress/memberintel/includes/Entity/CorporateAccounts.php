<?php

namespace MemberIntel\Entity;

use MemberIntel\Entity;
use MemberIntel\Value;

/** Accounts of the Corporate Accounts add-on. Their uuid opens the sign-up of sub accounts and is not told. */
final class CorporateAccounts extends Entity
{
    private const COLUMNS = ['id', 'user_id', 'obj_id', 'obj_type', 'num_sub_accounts', 'status'];

    public function name(): string
    {
        return 'corporate_accounts';
    }

    public function code(): int
    {
        return 10;
    }

    public function table(): string
    {
        return $this->db->table('mepr_corporate_accounts');
    }

    public function rows(array $ids): array
    {
        $rows = [];
        foreach ($this->stored(self::COLUMNS, $ids) as $id => $account) {
            $rows[$id] = [
                'id' => (int) $id,
                'member_id' => Value::id($account['user_id']),
                'object_type' => Value::text($account['obj_type']),
                'object_id' => Value::id($account['obj_id']),
                'sub_account_limit' => Value::number($account['num_sub_accounts']),
                'status' => Value::text($account['status']),
            ];
        }
        return $rows;
    }

    protected function parts(): array
    {
        return $this->covered(self::COLUMNS);
    }
}
