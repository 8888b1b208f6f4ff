<?php

define('DB_NAME', 'wp');
define('DB_USER', 'wp');
define('DB_PASSWORD', 'wp');
define('DB_HOST', 'localhost:@SOCKET@');
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $name) {
    define($name . '_KEY', hash('sha256', $name . '@ROOT@'));
    define($name . '_SALT', hash('sha256', $name . '@ROOT@ salt'));
}
$table_prefix = 'wp_';
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('WP_ACCESSIBLE_HOSTS', '127.0.0.1');
define('AUTOMATIC_UPDATER_DISABLED', true);
define('DISABLE_WP_CRON', true);
define('WP_DEBUG', true);
define('WP_DEBUG_LOG', '@ROOT@/debug.log');
define('WP_DEBUG_DISPLAY', false);
define('WP_ENVIRONMENT_TYPE', 'local');
if (getenv('MEMBERINTEL_TEST_NETWORK')) {
    // A network of sites in the same database, of which network.php makes the tables.
    $table_prefix = 'net_';
    if (!defined('WP_INSTALLING')) {
        define('MULTISITE', true);
        define('SUBDOMAIN_INSTALL', false);
        define('DOMAIN_CURRENT_SITE', $_SERVER['HTTP_HOST']);
        define('PATH_CURRENT_SITE', '/');
        define('SITE_ID_CURRENT_SITE', 1);
        define('BLOG_ID_CURRENT_SITE', 1);
    }
} elseif (!empty($_SERVER['HTTP_HOST'])) {
    // Where the pages are and where the files are, for hosts that serve either in a folder.
    $scheme = empty($_SERVER['HTTPS']) ? 'http://' : 'https://';
    define('WP_HOME', $scheme . $_SERVER['HTTP_HOST'] . ($_SERVER['MEMBERINTEL_TEST_PATH'] ?? ''));
    define('WP_SITEURL', $scheme . $_SERVER['HTTP_HOST'] . ($_SERVER['MEMBERINTEL_TEST_FILES'] ?? ''));
}
if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
