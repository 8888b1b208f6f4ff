<?php

namespace MemberIntel;

/**
 * The connection: which keys the service may sign with, whose it is, and for which address of this site it was made.
 *
 * It is one option that WordPress loads with the others, because every page asks whether there is a connection.
 */
final class Keys
{
    private const OPTION = 'memberintel_connection';
    private const FORMER = DAY_IN_SECONDS;

    public function connected(): bool
    {
        return $this->stored()['keys'] !== [];
    }

    /** Whether what changes is worth noting: connected, and still the site that was. */
    public function listening(): bool
    {
        return $this->connected() && !$this->moved();
    }

    /**
     * Keeps a key. Keys of the same connection work until this one has been used, all others end at once.
     *
     * @param array{connection_id?: string, tenant?: string, service?: string} $details
     */
    public function put(string $id, string $secret, array $details, int $user): void
    {
        $old = $this->stored();
        $connection = $details['connection_id'] ?? '';
        $keys = [];
        if ($connection !== '' && $connection === $old['connection_id']) {
            foreach ($old['keys'] as $former => $key) {
                $keys[$former] = ['until' => time() + self::FORMER] + $key;
            }
        }
        $keys[$id] = ['sealed' => Seal::close($secret), 'until' => 0];
        update_option(self::OPTION, [
            'keys' => $keys,
            'home' => self::home(),
            'connection_id' => $connection,
            'tenant' => $details['tenant'] ?? '',
            'service' => $details['service'] ?? '',
            'user' => $user,
            'made_at' => time(),
            'used' => false,
        ], true);
    }

    /** Null when the key is unknown, over, or sealed under other salts. */
    public function secret(string $id): ?string
    {
        $key = $this->stored()['keys'][$id] ?? null;
        if ($key === null || ($key['until'] > 0 && $key['until'] < time())) {
            return null;
        }
        return Seal::open($key['sealed']);
    }

    /** The key to sign with, null without a connection. @return array{id: string, secret: string}|null */
    public function own(): ?array
    {
        foreach (array_reverse($this->stored()['keys'], true) as $id => $key) {
            $secret = Seal::open($key['sealed']);
            if ($key['until'] === 0 && $secret !== null) {
                return ['id' => (string) $id, 'secret' => $secret];
            }
        }
        return null;
    }

    /** Notes the first contact with a key, which ends those before it. */
    public function used(string $id): void
    {
        $stored = $this->stored();
        if ($stored['used'] || !isset($stored['keys'][$id]) || $stored['keys'][$id]['until'] > 0) {
            return;
        }
        $stored['used'] = true;
        $stored['keys'] = [$id => $stored['keys'][$id]];
        update_option(self::OPTION, $stored, true);
    }

    /** Takes the newest key back where it was never used, and lets the one before be good again; false where there is none. */
    public function withdraw(string $id): bool
    {
        $stored = $this->stored();
        $former = array_diff_key($stored['keys'], [$id => true]);
        if ($stored['used'] || ($stored['keys'][$id]['until'] ?? 1) > 0 || $former === []) {
            return false;
        }
        $last = array_key_last($former);
        $stored['keys'] = [$last => ['until' => 0] + $former[$last]];
        $stored['used'] = true;
        update_option(self::OPTION, $stored, true);
        return true;
    }

    public function drop(): void
    {
        delete_option(self::OPTION);
    }

    /** Whether the site has another address than when it was connected: it has moved, or it is a copy. */
    public function moved(): bool
    {
        $stored = $this->stored();
        return $stored['keys'] !== [] && !hash_equals($stored['home'], self::home());
    }

    /** An administrator says that the site has moved. */
    public function settle(): void
    {
        update_option(self::OPTION, ['home' => self::home()] + $this->stored(), true);
    }

    /** @return array{connection_id: string, tenant: string, service: string, made_at: int, used: bool} */
    public function about(): array
    {
        return array_intersect_key(
            $this->stored(),
            array_flip(['connection_id', 'tenant', 'service', 'made_at', 'used'])
        );
    }

    /** @return array<string, mixed> */
    private function stored(): array
    {
        $stored = get_option(self::OPTION);
        return (is_array($stored) ? $stored : []) + ['keys' => [], 'home' => '', 'connection_id' => '', 'tenant' => '',
            'service' => '', 'user' => 0, 'made_at' => 0, 'used' => false];
    }

    /** The address without its scheme: a certificate is no move. */
    private static function home(): string
    {
        return hash('sha256', strtolower(untrailingslashit((string) preg_replace('#^https?://#i', '', home_url()))));
    }
}
