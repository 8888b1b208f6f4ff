<?php

/** Boots the WordPress that `site start` made, in this process, as a visitor who is not signed in. */

$site = (string) getenv('MEMBERINTEL_TEST_SITE');
$url = (string) getenv('MEMBERINTEL_TEST_URL');
if ($site === '' || $url === '') {
    fwrite(STDERR, "MEMBERINTEL_TEST_SITE and MEMBERINTEL_TEST_URL are missing; run wordpress/test\n");
    exit(2);
}
$_SERVER += ['SERVER_NAME' => '127.0.0.1'];
preg_match('#^http://([^/]+)(/.*)?$#', $url, $is);
$_SERVER['HTTP_HOST'] = $is[1];
$_SERVER['MEMBERINTEL_TEST_PATH'] = $is[2] ?? '';
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
$_SERVER['REQUEST_METHOD'] = 'GET';
$_SERVER['REQUEST_URI'] = $_SERVER['MEMBERINTEL_TEST_PATH'] . '/';
require $site . '/wp-load.php';

spl_autoload_register(static function (string $class): void {
    $file = __DIR__ . '/' . substr($class, strlen('MemberIntel\\Tests\\')) . '.php';
    if (strpos($class, 'MemberIntel\\Tests\\') === 0 && is_file($file)) {
        require $file;
    }
});

// Passwords of test users need not be hard to guess.
add_filter('wp_hash_password_options', static function (): array {
    return ['cost' => 4];
});
