<?php

/** Tells what runs here and what of a request reaches it, so that a test knows that the host is what it should be. */

header('Content-Type: application/json');
header('Cache-Control: no-store');
echo json_encode([
    'sapi' => PHP_SAPI,
    'opcache' => function_exists('opcache_get_status') && is_array(opcache_get_status(false)),
    'memory' => ini_get('memory_limit'),
    'ahead' => time() - (int) ($_GET['now'] ?? time()),
    'authorization' => isset($_SERVER['HTTP_AUTHORIZATION']),
    'signature' => isset($_SERVER['HTTP_X_MEMBERINTEL_SIGNATURE']),
]);
