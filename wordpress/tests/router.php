<?php

/** For PHP's own web server: files as they are, everything else to WordPress, as pretty permalinks need it. */

$root = (string) realpath($_SERVER['DOCUMENT_ROOT']);
$path = rawurldecode((string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH));
$file = realpath($root . $path);
if ($file !== false && is_dir($file)) {
    $file = realpath($file . '/index.php');
}
if ($file !== false && strpos($file, $root) === 0 && is_file($file) && substr($file, -4) !== '.php') {
    return false;
}
if ($file === false || strpos($file, $root) !== 0) {
    $file = $root . '/index.php';
}
$_SERVER['SCRIPT_FILENAME'] = $file;
$_SERVER['SCRIPT_NAME'] = $_SERVER['PHP_SELF'] = substr($file, strlen($root));
chdir(dirname($file));
require $file;
