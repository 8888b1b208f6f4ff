<?php

/** Answers what the file `answer` says and notes each request in the file `asked`. */

$folder = getenv('FAKE_SERVICE_FOLDER');
if ($_SERVER['REQUEST_URI'] === '/ready') {
    echo 'ready';
    return true;
}
$asked = ['path' => $_SERVER['REQUEST_URI'], 'headers' => getallheaders(), 'body' => file_get_contents('php://input')];
file_put_contents("$folder/asked", json_encode($asked) . "\n", FILE_APPEND | LOCK_EX);
[$status, $body] = is_file("$folder/answer") ? json_decode(file_get_contents("$folder/answer"), true) : [202, []];
http_response_code($status);
header('Content-Type: application/json');
echo json_encode($body);
return true;
