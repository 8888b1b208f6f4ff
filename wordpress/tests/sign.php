<?php

/**
 * Signs the fixtures anew after one was edited: `query`, `headers` and `body` of the request, `status` and `json` of the
 * response are what people edit; lines, signatures and the body's text follow. php wordpress/tests/sign.php
 */

require __DIR__ . '/../memberintel/includes/Signature.php';

use MemberIntel\Signature;

foreach (glob(__DIR__ . '/../contract/*.json') ?: [] as $file) {
    // Objects stay objects, so that {} does not become [].
    $fixture = json_decode((string) file_get_contents($file));
    $request = $fixture->request;
    $response = $fixture->response;
    if ($request->signature !== null) {
        $head = (array) $request->headers;
        $request->string_to_sign = Signature::request(
            $request->method,
            $request->route,
            (array) $request->query,
            $request->body,
            $head['X-MemberIntel-Timestamp'],
            $head['X-MemberIntel-Nonce'],
            $head['X-MemberIntel-Key-Id']
        );
        $wrong = $fixture->name === 'error_auth_bad_signature';
        $request->signature = $wrong ? $request->signature : Signature::sign($fixture->key->secret, $request->string_to_sign);
        $request->headers->{'X-MemberIntel-Signature'} = $request->signature;
    }
    $flags = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;
    $response->body = $response->json === null ? '' : json_encode($response->json, $flags);
    if ($response->signature !== null) {
        $id = $request->headers->{'X-MemberIntel-Request-Id'};
        $response->string_to_sign = Signature::response($id, $response->status, $response->body);
        $response->signature = Signature::sign($fixture->key->secret, $response->string_to_sign);
        $response->headers->{'X-MemberIntel-Response-Signature'} = $response->signature;
        $response->body .= "\n" . json_encode(['mi_signature' => $response->signature], $flags);
    }
    $text = json_encode($fixture, $flags | JSON_PRETTY_PRINT);
    file_put_contents($file, preg_replace('/^( +)\1/m', '$1', (string) $text) . "\n");
}
