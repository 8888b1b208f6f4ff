<?php

/**
 * Plugin Name: MemberPress (fixture)
 * Description: The tables, options and hooks of MemberPress 1.12 as far as they matter to the tests. It has no behaviour of its own.
 * Version: 1.12.11
 * License: GPL-2.0-or-later
 */

defined('ABSPATH') || exit;

define('MEPR_VERSION', '1.12.11');

foreach (['Model', 'Transaction', 'Subscription', 'Product', 'Rule', 'Hooks'] as $name) {
    require_once __DIR__ . "/$name.php";
}

register_activation_hook(__FILE__, static function (): void {
    foreach (explode(';', str_replace('{prefix}', $GLOBALS['wpdb']->prefix, file_get_contents(__DIR__ . '/tables.sql'))) as $sql) {
        if (trim($sql) !== '') {
            $GLOBALS['wpdb']->query($sql);
        }
    }
    add_option('mepr_options', require __DIR__ . '/options.php');
});

MemberPressFixture\Hooks::register();
