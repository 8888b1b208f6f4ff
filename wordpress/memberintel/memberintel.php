<?php

/**
 * Plugin Name:       MemberIntel for MemberPress
 * Description:       Keeps a live, verified copy of your MemberPress members, memberships and payments in your MemberIntel warehouse.
 * Version:           1.0.0
 * Requires at least: 6.2
 * Requires PHP:      7.4
 * Author:            The memberintel maintainers
 * License:           GPL-2.0-or-later
 * License URI:       https://www.gnu.org/licenses/gpl-2.0.html
 * Text Domain:       memberintel
 * Domain Path:       /languages
 *
 * @package MemberIntel
 */

defined('ABSPATH') || exit;

define('MEMBERINTEL_VERSION', '1.0.0');

spl_autoload_register(
    static function (string $class): void {
        if (strpos($class, 'MemberIntel\\') !== 0) {
            return;
        }
        $file = __DIR__ . '/includes/' . str_replace('\\', '/', substr($class, strlen('MemberIntel\\'))) . '.php';
        if (is_file($file)) {
            require $file;
        }
    }
);

register_activation_hook(__FILE__, ['MemberIntel\\Plugin', 'activate']);
register_deactivation_hook(__FILE__, ['MemberIntel\\Plugin', 'deactivate']);

(new MemberIntel\Plugin(new MemberIntel\Database($GLOBALS['wpdb']), __FILE__))->register();
