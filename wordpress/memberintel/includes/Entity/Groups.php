<?php

namespace MemberIntel\Entity;

use MemberIntel\Value;

/** Products that stand beside each other on a pricing page, perhaps as steps of one way up. */
final class Groups extends Post
{
    public function name(): string
    {
        return 'groups';
    }

    public function code(): int
    {
        return 7;
    }

    protected function type(): string
    {
        return 'memberpressgroup';
    }

    protected function keys(): array
    {
        return ['_mepr_group_is_upgrade_path', '_mepr_group_upgrade_path_reset_period', '_mepr_fallback_membership',
            '_mepr_group_fallback_membership'];
    }

    protected function row(array $post, array $meta): array
    {
        $fallback = $meta['_mepr_fallback_membership'] ?? ($meta['_mepr_group_fallback_membership'] ?? 0);
        return $this->head($post, true) + [
            'is_upgrade_path' => Value::flag($meta['_mepr_group_is_upgrade_path'] ?? ''),
            'upgrade_path_reset_period' => Value::flag($meta['_mepr_group_upgrade_path_reset_period'] ?? ''),
            'fallback_product_id' => Value::id($fallback),
        ];
    }
}
