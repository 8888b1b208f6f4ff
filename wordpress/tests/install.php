<?php

/** Installs WordPress and switches the plugins on. Arguments: the site's folder and its URL. */

[, $site, $url] = $argv;
$_SERVER += ['HTTP_HOST' => preg_replace('#^https?://#', '', $url), 'SERVER_NAME' => '127.0.0.1',
    'SERVER_PROTOCOL' => 'HTTP/1.1', 'REQUEST_METHOD' => 'GET', 'REQUEST_URI' => '/wp-admin/'];
define('WP_INSTALLING', true);
define('WP_ADMIN', true);
require $site . '/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/admin.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';

wp_install('Lakeside Tennis Club', 'admin', 'owner@lakeside.example', true, '', wp_slash('admin-pass'));
update_option('timezone_string', 'America/New_York');
$GLOBALS['wp_rewrite']->init();
$GLOBALS['wp_rewrite']->set_permalink_structure('/%postname%/');
flush_rewrite_rules(false);
wp_set_current_user(1);
foreach (['memberpress/memberpress.php', 'memberintel/memberintel.php'] as $plugin) {
    $result = activate_plugin($plugin);
    if (is_wp_error($result)) {
        fwrite(STDERR, "$plugin: {$result->get_error_message()}\n");
        exit(1);
    }
}
echo "installed WordPress {$GLOBALS['wp_version']}\n";
