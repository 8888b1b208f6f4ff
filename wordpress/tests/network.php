<?php

/**
 * Makes a network of two sites, of which the second, /second, is a club's. Arguments: the site's folder, the network's
 * URL, and `tables` or, in a process of its own that finds those, `club`.
 */

[, $site, $url, $part] = $argv;
$host = substr($url, strlen('http://'));
putenv('MEMBERINTEL_TEST_NETWORK=1');
$_SERVER += ['HTTP_HOST' => $host, 'SERVER_NAME' => '127.0.0.1', 'SERVER_PROTOCOL' => 'HTTP/1.1', 'REQUEST_METHOD' => 'GET',
    'REQUEST_URI' => '/wp-admin/'];
if ($part === 'tables') {
    define('WP_INSTALLING', true);
    define('WP_ALLOW_MULTISITE', true);
}
define('WP_ADMIN', true);
require $site . '/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/admin.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
require_once ABSPATH . 'wp-admin/includes/network.php';

if ($part === 'tables') {
    foreach ($wpdb->get_col("SHOW TABLES LIKE 'net\\_%'") as $table) {
        $wpdb->query("DROP TABLE $table");
    }
    wp_install('Federation', 'admin', 'office@federation.example', true, '', wp_slash('admin-pass'));
    update_option('siteurl', $url);
    update_option('home', $url);
    foreach ($wpdb->tables('ms_global') as $table => $name) {
        $wpdb->$table = $name;
    }
    install_network();
    $made = populate_network(1, $host, 'office@federation.example', 'Federation', '/', false);
} else {
    wp_set_current_user(1);
    $made = wp_insert_site(['domain' => $host, 'path' => '/second/', 'network_id' => 1, 'user_id' => 1, 'title' => 'Second Club']);
    if (!is_wp_error($made)) {
        switch_to_blog($made);
        foreach (['memberpress/memberpress.php', 'memberintel/memberintel.php'] as $plugin) {
            activate_plugin($plugin);
        }
    }
}
if (is_wp_error($made)) {
    fwrite(STDERR, $made->get_error_code() . ': ' . $made->get_error_message() . "\n");
    exit((int) ($made->get_error_code() !== 'no_wildcard_dns'));
}
