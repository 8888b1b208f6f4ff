<?php

namespace MemberPressFixture;

/** What MemberPress does when WordPress deletes something or somebody signs in. */
final class Hooks
{
    public static function register(): void
    {
        add_action('init', static function (): void {
            foreach (['memberpressproduct', 'memberpressrule', 'memberpressgroup', 'memberpresscoupon', 'mp-reminder'] as $type) {
                register_post_type($type, ['public' => false]);
            }
        });
        add_action('admin_menu', static function (): void {
            add_menu_page('MemberPress', 'MemberPress', 'manage_options', 'memberpress', '__return_empty_string');
        });
        add_action('deleted_user', static function (int $id): void {
            global $wpdb;
            $wpdb->query($wpdb->prepare("UPDATE {$wpdb->prefix}mepr_transactions SET user_id = 0 WHERE user_id = %d", $id));
            $wpdb->query($wpdb->prepare("UPDATE {$wpdb->prefix}mepr_subscriptions SET user_id = 0 WHERE user_id = %d", $id));
            $wpdb->delete($wpdb->prefix . 'mepr_members', ['user_id' => $id]);
        });
        add_action('deleted_post', static function (int $id, \WP_Post $post): void {
            global $wpdb;
            if (is_admin() && $post->post_type === 'memberpressproduct') {
                $sql = "UPDATE {$wpdb->prefix}mepr_transactions SET product_id = 0 WHERE product_id = %d";
                $wpdb->query($wpdb->prepare($sql, $id));
            }
        }, 10, 2);
        add_filter('login_redirect', static function (string $to, string $asked, $user): string {
            global $wpdb;
            if ($user instanceof \WP_User) {
                $wpdb->query($wpdb->prepare(
                    "INSERT INTO {$wpdb->prefix}mepr_members (user_id, last_login_id, login_count) VALUES (%d, %d, 1)
                    ON DUPLICATE KEY UPDATE last_login_id = VALUES(last_login_id), login_count = login_count + 1",
                    $user->ID,
                    self::event('login', $user->ID, 'users')
                ));
            }
            return $to;
        }, 10, 3);
    }

    public static function event(string $event, int $id, string $type): int
    {
        global $wpdb;
        $row = ['event' => $event, 'args' => '{"ip":"SECRET-ARGS"}', 'evt_id' => $id, 'evt_id_type' => $type,
            'created_at' => gmdate('Y-m-d H:i:s')];
        $wpdb->insert($wpdb->prefix . 'mepr_events', $row);
        $made = (int) $wpdb->insert_id;
        do_action('mepr_event_create', (object) ($row + ['id' => $made]));
        return $made;
    }
}
