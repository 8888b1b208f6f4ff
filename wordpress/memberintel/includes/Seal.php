<?php

namespace MemberIntel;

/**
 * Secrets are stored sealed with a key from the salts in wp-config.php, so that a copy of the database alone does not
 * hold them. Where the salts change, what was sealed cannot be opened any more and the site has to be connected again.
 */
final class Seal
{
    public static function close(string $plain): string
    {
        $nonce = random_bytes(SODIUM_CRYPTO_SECRETBOX_NONCEBYTES);
        return base64_encode($nonce . sodium_crypto_secretbox($plain, $nonce, self::key()));
    }

    /** Null when it was not sealed here, or under other salts. */
    public static function open(string $sealed): ?string
    {
        $bytes = (string) base64_decode($sealed, true);
        if (strlen($bytes) <= SODIUM_CRYPTO_SECRETBOX_NONCEBYTES) {
            return null;
        }
        $plain = sodium_crypto_secretbox_open(
            substr($bytes, SODIUM_CRYPTO_SECRETBOX_NONCEBYTES),
            substr($bytes, 0, SODIUM_CRYPTO_SECRETBOX_NONCEBYTES),
            self::key()
        );
        return $plain === false ? null : $plain;
    }

    private static function key(): string
    {
        return hash_hmac('sha256', 'memberintel', wp_salt('secure_auth'), true);
    }
}
