<?php

namespace MemberPressFixture;

/** A rule and its conditions, which go by one statement without a hook. */
final class Rule
{
    /** @param array<string, string> $meta */
    public static function store(string $title, array $meta): int
    {
        $id = (int) wp_insert_post(['post_title' => $title, 'post_type' => 'memberpressrule', 'post_status' => 'publish']);
        foreach ($meta as $key => $value) {
            update_post_meta($id, $key, $value);
        }
        return $id;
    }

    public static function condition(int $rule, string $type, string $condition): void
    {
        global $wpdb;
        $row = ['rule_id' => $rule, 'access_type' => $type, 'access_operator' => 'is', 'access_condition' => $condition];
        $wpdb->insert($wpdb->prefix . 'mepr_rule_access_conditions', $row);
        do_action('mepr_rule_access_stored', (object) ($row + ['id' => $wpdb->insert_id]));
    }

    public static function deleteAllConditions(int $rule): void
    {
        global $wpdb;
        $wpdb->delete($wpdb->prefix . 'mepr_rule_access_conditions', ['rule_id' => $rule]);
    }
}
