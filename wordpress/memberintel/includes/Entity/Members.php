<?php

namespace MemberIntel\Entity;

use MemberIntel\Child;
use MemberIntel\Entity;
use MemberIntel\Span;
use MemberIntel\Value;

/** Users of the site. What is told of their meta is a list of keys; sessions, passwords and the rest never leave. */
final class Members extends Entity
{
    private const ADDRESS = ['one', 'two', 'city', 'state', 'zip', 'country'];
    private const CUSTOMER = '/^_mepr_stripe_customer_id_(.+?)(_test)?(?:_([A-Z]{3}))?$/';

    public function name(): string
    {
        return 'members';
    }

    public function code(): int
    {
        return 1;
    }

    public function table(): string
    {
        return $this->db->core('users');
    }

    public function key(): string
    {
        return 'ID';
    }

    /** In a network users are shared: those of this site have its roles. */
    public function filter(): string
    {
        if (!is_multisite()) {
            return '1 = 1';
        }
        return $this->db->prepare(
            'EXISTS (SELECT 1 FROM %i r WHERE r.user_id = b.ID AND r.meta_key = %s)',
            $this->db->core('usermeta'),
            $this->db->prefix() . 'capabilities'
        );
    }

    public function rows(array $ids): array
    {
        $meta = $this->metaOf($ids);
        $logins = $this->loginsOf($ids);
        $rows = [];
        $columns = ['ID', 'user_login', 'user_email', 'display_name', 'user_registered'];
        foreach ($this->stored($columns, $ids) as $id => $user) {
            $of = $meta[$id] ?? [];
            $rows[$id] = [
                'id' => (int) $id,
                'login' => $user['user_login'],
                'email' => $user['user_email'],
                'first_name' => Value::text($of['first_name'][0] ?? ''),
                'last_name' => Value::text($of['last_name'][0] ?? ''),
                'display_name' => $user['display_name'],
                'registered_at' => Value::time($user['user_registered']),
                'roles' => $this->roles($of[$this->db->prefix() . 'capabilities'][0] ?? null),
                'address' => $this->address($of),
                'custom' => $this->custom($of),
                'gateway_customers' => $this->customers($of),
                'corporate_account_ids' => $this->accounts($of['mpca_corporate_account_id'] ?? []),
                'last_login_at' => Value::time($logins[$id]['created_at'] ?? null),
                'login_count' => Value::number($logins[$id]['login_count'] ?? 0),
            ];
        }
        return $rows;
    }

    protected function parts(): array
    {
        return $this->covered(['id', 'user_login', 'user_email', 'display_name', 'user_registered']);
    }

    protected function children(): array
    {
        $meta = $this->db->core('usermeta');
        $children = [new Child($meta, 'user_id', ['meta_key', 'meta_value'], $this->told(), 'umeta_id')];
        if ($this->db->has($this->db->table('mepr_members'))) {
            $children[] = new Child($this->db->table('mepr_members'), 'user_id', ['login_count', 'last_login_id']);
        }
        return $children;
    }

    /** The condition, over k, for the meta that is told. */
    private function told(): string
    {
        $keys = ['first_name', 'last_name', $this->db->prefix() . 'capabilities', 'mpca_corporate_account_id'];
        foreach (self::ADDRESS as $line) {
            $keys[] = "mepr-address-$line";
        }
        $keys = array_merge($keys, array_column($this->memberpress->customFields(), 'key'));
        $list = implode(', ', array_fill(0, count($keys), '%s'));
        return '(' . $this->db->prepare("k.meta_key IN ($list) OR k.meta_key LIKE %s", ...array_merge(
            $keys,
            ['\\_mepr\\_stripe\\_customer\\_id\\_%']
        )) . ')';
    }

    /**
     * @param int[] $ids
     * @return array<int, array<string, array<int, ?string>>> values by user and key, oldest first
     */
    private function metaOf(array $ids): array
    {
        $meta = [];
        $rows = $this->db->rows("SELECT k.user_id, k.meta_key, k.meta_value FROM {$this->db->core('usermeta')} k
            WHERE " . Span::ids($ids)->over('k.user_id') . " AND {$this->told()} ORDER BY k.umeta_id");
        foreach ($rows as $row) {
            $meta[(int) $row['user_id']][$row['meta_key']][] = $row['meta_value'];
        }
        return $meta;
    }

    /**
     * @param int[] $ids
     * @return array<int, array<string, ?string>>
     */
    private function loginsOf(array $ids): array
    {
        $members = $this->db->table('mepr_members');
        if (!$this->db->has($members)) {
            return [];
        }
        return array_column($this->db->rows("SELECT m.user_id, m.login_count, e.created_at FROM $members m
            LEFT JOIN {$this->db->table('mepr_events')} e ON e.id = m.last_login_id
            WHERE " . Span::ids($ids)->over('m.user_id')), null, 'user_id');
    }

    /** @return string[] */
    private function roles(?string $stored): array
    {
        $held = Value::meta($stored);
        return is_array($held) ? array_map('strval', array_keys(array_filter($held))) : [];
    }

    /**
     * @param array<string, array<int, ?string>> $of
     * @return array<string, string>|null
     */
    private function address(array $of): ?array
    {
        $address = [];
        foreach (self::ADDRESS as $line) {
            $address[$line] = Value::text($of["mepr-address-$line"][0] ?? '');
        }
        return implode('', $address) === '' ? null : $address;
    }

    /** @param array<string, array<int, ?string>> $of */
    private function custom(array $of): \stdClass
    {
        $custom = new \stdClass();
        foreach ($this->memberpress->customFields() as $field) {
            $value = Value::choice($of[$field['key']][0] ?? null);
            if ($value !== null) {
                $custom->{$field['key']} = $value;
            }
        }
        return $custom;
    }

    /**
     * @param array<string, array<int, ?string>> $of
     * @return array<int, array<string, mixed>>
     */
    private function customers(array $of): array
    {
        ksort($of);
        $customers = [];
        foreach ($of as $key => $values) {
            if (preg_match(self::CUSTOMER, (string) $key, $is) && Value::text($values[0] ?? '') !== '') {
                $customers[] = [
                    'gateway' => $is[1],
                    'test' => ($is[2] ?? '') !== '',
                    'currency' => ($is[3] ?? '') !== '' ? $is[3] : null,
                    'customer' => Value::text($values[0]),
                ];
            }
        }
        return $customers;
    }

    /**
     * @param array<int, ?string> $stored
     * @return int[]
     */
    private function accounts(array $stored): array
    {
        return array_values(array_filter(array_map([Value::class, 'id'], $stored)));
    }
}
