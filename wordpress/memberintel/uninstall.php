<?php

/**
 * Leaves nothing behind: tables, options, scheduled events, on every site of a network.
 *
 * @package MemberIntel
 */

defined('WP_UNINSTALL_PLUGIN') || exit;

require_once __DIR__ . '/includes/Database.php';
require_once __DIR__ . '/includes/Failure.php';
require_once __DIR__ . '/includes/Schema.php';

(static function (): void {
    $sites = is_multisite() ? get_sites(['fields' => 'ids', 'number' => 0]) : [get_current_blog_id()];
    foreach ($sites as $site) {
        if (is_multisite()) {
            switch_to_blog((int) $site);
        }
        (new MemberIntel\Schema(new MemberIntel\Database($GLOBALS['wpdb'])))->remove();
        if (is_multisite()) {
            restore_current_blog();
        }
    }
})();
