<?php

namespace MemberIntel;

use WP_REST_Request;

/**
 * How a site comes to its key: the browser carries a one-time code, the servers exchange it for the key. Whoever sees the
 * code alone has nothing, since the verifier never leaves this site but to the service; whoever makes an administrator
 * follow a link has nothing either, since the state belongs to the user who clicked Connect here.
 */
final class Connect
{
    private const PENDING = 'memberintel_connecting';
    private const SECONDS = 10 * MINUTE_IN_SECONDS;

    private Schema $schema;
    private Keys $keys;
    private Epoch $epoch;
    private Gate $gate;

    public function __construct(Schema $schema, Keys $keys, Epoch $epoch, Gate $gate)
    {
        $this->schema = $schema;
        $this->keys = $keys;
        $this->epoch = $epoch;
        $this->gate = $gate;
    }

    /** Always this one, so that the service can refuse any other. */
    public static function callback(): string
    {
        return admin_url('admin.php?page=memberintel&mi_callback=1');
    }

    /** Begins for this user and tells where to send the browser. */
    public function begin(int $user, string $service): string
    {
        $state = Signature::secret();
        $verifier = Signature::secret();
        update_user_meta($user, self::PENDING, [
            'state' => hash('sha256', $state),
            'verifier' => Seal::close($verifier),
            'service' => $service,
            'until' => time() + self::SECONDS,
            'code' => '',
        ]);
        return $service . '/connect/memberpress?' . http_build_query([
            'site' => home_url(),
            'callback' => self::callback(),
            'state' => $state,
            'code_challenge' => Signature::encode(hash('sha256', $verifier, true)),
            'code_challenge_method' => 'S256',
            'site_id' => Epoch::siteId(),
            'plugin_version' => MEMBERINTEL_VERSION,
        ], '', '&', PHP_QUERY_RFC3986);
    }

    /**
     * What the browser brought back to this user. Tells how it went: connected, waiting (this server cannot call out,
     * the service will), unsafe (it will not, because the key could be read on its way), denied, stale, refused.
     */
    public function finish(int $user, string $state, string $code): string
    {
        $pending = $this->pending($user);
        if ($pending === null || !hash_equals($pending['state'], hash('sha256', $state)) || $pending['code'] !== '') {
            return 'stale';
        }
        $verifier = Seal::open($pending['verifier']);
        if ($code === '' || $verifier === null) {
            delete_user_meta($user, self::PENDING);
            return $code === '' ? 'denied' : 'stale';
        }
        $answer = wp_remote_post($pending['service'] . '/connect/memberpress/token', [
            'timeout' => 15,
            'redirection' => 0,
            'user-agent' => 'memberintel-plugin/' . MEMBERINTEL_VERSION,
            'headers' => ['Accept' => 'application/json', 'Content-Type' => 'application/json'],
            'body' => Value::json([
                'code' => $code,
                'code_verifier' => $verifier,
                'site_id' => Epoch::siteId(),
                'home_url' => home_url(),
            ]),
        ]);
        if (is_wp_error($answer)) {
            update_user_meta($user, self::PENDING, ['code' => hash('sha256', $code)] + $pending);
            return strpos(home_url(), 'https://') === 0 ? 'waiting' : 'unsafe';
        }
        delete_user_meta($user, self::PENDING);
        $told = json_decode((string) wp_remote_retrieve_body($answer), true);
        if (wp_remote_retrieve_response_code($answer) !== 200 || !is_array($told) || !self::isKey($told)) {
            return 'refused';
        }
        $this->keep($told, $pending['service'], $user);
        return 'connected';
    }

    /** Keeps a key that nobody brought: for a service that is set up by hand. Tells it, this once. */
    public function byHand(int $user): array
    {
        $key = ['key_id' => 'mik_' . bin2hex(random_bytes(6)), 'secret' => Signature::secret()];
        self::forget();
        $this->keep($key, '', $user);
        return $key;
    }

    /**
     * The service brings the key, because this server could not fetch it. Until somebody has used that key it may be
     * brought again, since the answer to the first time may be lost.
     */
    public function receive(WP_REST_Request $request, string $requestId): Answer
    {
        $told = (array) $request->get_json_params();
        $user = $this->whoWaits(Value::text($told['code'] ?? ''));
        $pending = $user > 0 ? $this->pending($user) : null;
        $verifier = $pending === null ? null : Seal::open($pending['verifier']);
        if ($verifier === null || !self::isKey($told) || !user_can($user, 'manage_options')) {
            throw new Problem('mi_not_connecting', 'This site does not wait for a connection.');
        }
        $head = $this->gate->headers($request);
        if ($head['key_id'] !== $told['key_id'] || !$this->gate->signed($request, $head, $told['secret'])) {
            throw new Problem('mi_auth_bad_signature', 'The signature does not match the request.');
        }
        $brought = $pending['brought'] ?? '';
        if ($brought === '') {
            $this->keep($told, $pending['service'], $user);
            update_user_meta($user, self::PENDING, ['brought' => $told['key_id']] + $pending);
        } elseif ($brought !== $told['key_id'] || $this->keys->secret($brought) === null || $this->keys->about()['used']) {
            throw new Problem('mi_not_connecting', 'This site has its key.');
        }
        $caller = new Caller($head['key_id'], $told['secret'], $requestId, (int) $head['timestamp'], $head['nonce']);
        return new Answer(Value::json([
            'protocol' => Handshake::PROTOCOL,
            'request_id' => $requestId,
            'site_id' => Epoch::siteId(),
            'server_time' => gmdate('Y-m-d\TH:i:s\Z'),
            'entity' => 'connect',
            'code_verifier' => $verifier,
        ]), 200, $requestId, $caller);
    }

    /** Whoever holds the key says goodbye: the site goes on with the key before it, where this one was never used. */
    public function goodbye(string $key): void
    {
        self::forget();
        if (!$this->keys->withdraw($key)) {
            $this->end();
        }
    }

    /** The site is no longer connected, and nothing is noted any more. */
    public function end(): void
    {
        self::forget();
        $this->keys->drop();
        $this->schema->ensure();
        $this->epoch->renew();
        wp_clear_scheduled_hook('memberintel_tick');
    }

    /** Nobody waits for a key any more. */
    private static function forget(): void
    {
        delete_metadata('user', 0, self::PENDING, '', true);
    }

    /** @param array<string, mixed> $told */
    private function keep(array $told, string $service, int $user): void
    {
        $this->schema->ensure();
        $this->keys->put($told['key_id'], $told['secret'], [
            'connection_id' => Value::text($told['connection_id'] ?? ''),
            'tenant' => Value::text($told['tenant'] ?? ''),
            'service' => $service,
        ], $user);
        $this->epoch->renew();
        Knock::schedule();
    }

    /** @return array{state: string, verifier: string, service: string, until: int, code: string, brought?: string}|null */
    private function pending(int $user): ?array
    {
        $pending = get_user_meta($user, self::PENDING, true);
        return is_array($pending) && $pending['until'] >= time() ? $pending : null;
    }

    /** Which user's code it is, of those whose server could not call out; 0 for nobody's. */
    private function whoWaits(string $code): int
    {
        foreach (get_users(['meta_key' => self::PENDING, 'fields' => 'ID', 'number' => 20]) as $user) {
            $pending = $this->pending((int) $user);
            if ($code !== '' && $pending !== null && hash_equals($pending['code'], hash('sha256', $code))) {
                return (int) $user;
            }
        }
        return 0;
    }

    /** @param array<string, mixed> $told */
    private static function isKey(array $told): bool
    {
        $connection = $told['connection_id'] ?? '';
        return is_string($told['key_id'] ?? null) && preg_match('/^[A-Za-z0-9_-]{1,64}$/D', $told['key_id'])
            && is_string($told['secret'] ?? null) && preg_match('/^[A-Za-z0-9_-]{43}$/D', $told['secret'])
            && is_string($connection) && preg_match('/^[A-Za-z0-9-]{0,64}$/D', $connection);
    }
}
