<?php

namespace MemberIntel;

/** The arithmetic of signatures: the same lines on both sides, one HMAC over them. */
final class Signature
{
    /**
     * The lines of a request that are signed. The query is given decoded, without rest_route.
     *
     * @param array<string, string> $query
     */
    public static function request(
        string $method,
        string $route,
        array $query,
        string $body,
        string $timestamp,
        string $nonce,
        string $keyId
    ): string {
        return implode("\n", [
            'v1', strtoupper($method), $route, self::query($query), hash('sha256', $body), $timestamp, $nonce, $keyId,
        ]);
    }

    /** The lines of an answer that are signed. The body is given without its trailer. */
    public static function response(string $requestId, int $status, string $body): string
    {
        return implode("\n", ['v1', $requestId, (string) $status, hash('sha256', $body)]);
    }

    /** The secret as it is written: 32 bytes, base64url without padding. */
    public static function sign(string $secret, string $lines): string
    {
        return 'v1=' . hash_hmac('sha256', $lines, self::bytes($secret));
    }

    public static function matches(string $secret, string $lines, string $signature): bool
    {
        return hash_equals(self::sign($secret, $lines), $signature);
    }

    /** A new secret, as it is written. */
    public static function secret(): string
    {
        return self::encode(random_bytes(32));
    }

    /** base64url without padding. */
    public static function encode(string $bytes): string
    {
        return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
    }

    /** The bytes of a base64url text, '' when it is none. */
    public static function bytes(string $text): string
    {
        return (string) base64_decode(strtr($text, '-_', '+/'), true);
    }

    /** @param array<string, string> $query */
    private static function query(array $query): string
    {
        $pairs = [];
        foreach ($query as $name => $value) {
            $pairs[] = rawurlencode((string) $name) . '=' . rawurlencode($value);
        }
        sort($pairs, SORT_STRING);
        return implode('&', $pairs);
    }
}
