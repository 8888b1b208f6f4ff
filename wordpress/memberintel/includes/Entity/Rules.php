<?php

namespace MemberIntel\Entity;

use MemberIntel\Child;
use MemberIntel\Span;
use MemberIntel\Value;

/** What is behind the wall, and who may pass. */
final class Rules extends Post
{
    public function name(): string
    {
        return 'rules';
    }

    public function code(): int
    {
        return 5;
    }

    public function rows(array $ids): array
    {
        $conditions = $this->conditionsOf($ids);
        $rows = parent::rows($ids);
        foreach ($rows as $id => $row) {
            $rows[$id]['conditions'] = $conditions[$id] ?? [];
        }
        return $rows;
    }

    protected function type(): string
    {
        return 'memberpressrule';
    }

    protected function keys(): array
    {
        return ['_mepr_rules_type', '_mepr_rules_content', '_is_mepr_rules_content_regexp', '_mepr_rules_drip_%',
            '_mepr_rules_expires_%'];
    }

    protected function children(): array
    {
        $table = $this->conditionTable();
        $children = parent::children();
        if ($this->db->has($table)) {
            $columns = ['id', 'access_type', 'access_operator', 'access_condition'];
            $children[] = new Child($table, 'rule_id', $columns);
        }
        return $children;
    }

    protected function row(array $post, array $meta): array
    {
        return $this->head($post, false) + [
            'type' => Value::text($meta['_mepr_rules_type'] ?? ''),
            'content' => Value::text($meta['_mepr_rules_content'] ?? ''),
            'content_is_regexp' => Value::flag($meta['_is_mepr_rules_content_regexp'] ?? ''),
            'drip' => $this->delay($meta, '_mepr_rules_drip_'),
            'expires' => $this->delay($meta, '_mepr_rules_expires_'),
            'conditions' => [],
        ];
    }

    /**
     * @param array<string, ?string> $meta
     * @return array<string, mixed>
     */
    private function delay(array $meta, string $prefix): array
    {
        $fixed = Value::text($meta["{$prefix}after_fixed"] ?? '');
        return [
            'enabled' => Value::flag($meta["{$prefix}enabled"] ?? ''),
            'amount' => Value::number($meta["{$prefix}amount"] ?? 0),
            'unit' => Value::text($meta["{$prefix}unit"] ?? ''),
            'after' => Value::text($meta["{$prefix}after"] ?? ''),
            'after_fixed' => $fixed === '' ? null : $fixed,
        ];
    }

    /**
     * @param int[] $ids
     * @return array<int, array<int, array<string, mixed>>>
     */
    private function conditionsOf(array $ids): array
    {
        $conditions = [];
        if (!$this->db->has($this->conditionTable())) {
            return [];
        }
        $found = $this->db->rows("SELECT id, rule_id, access_type, access_operator, access_condition
            FROM {$this->conditionTable()} k WHERE " . Span::ids($ids)->over('k.rule_id') . ' ORDER BY id');
        foreach ($found as $row) {
            $conditions[(int) $row['rule_id']][] = [
                'id' => (int) $row['id'],
                'type' => Value::text($row['access_type']),
                'operator' => Value::text($row['access_operator']),
                'condition' => Value::text($row['access_condition']),
            ];
        }
        return $conditions;
    }

    private function conditionTable(): string
    {
        return $this->db->table('mepr_rule_access_conditions');
    }
}
