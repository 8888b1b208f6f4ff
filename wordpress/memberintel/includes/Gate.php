<?php

namespace MemberIntel;

use WP_REST_Request;

/** Who asks. Nothing is read or told before the signature is right. */
final class Gate
{
    public const SKEW = 300;

    /** What the protocol knows; a web server may add parameters of its own, which nobody reads. */
    private const PARAMETERS = ['since', 'after', 'limit', 'sweep', 'entities', 'entity', 'bucket', 'mi_request'];

    private Keys $keys;
    private Nonces $nonces;

    public function __construct(Keys $keys, Nonces $nonces)
    {
        $this->keys = $keys;
        $this->nonces = $nonces;
    }

    /**
     * Which key signed the request, and with what the answer is signed.
     *
     * @throws Problem
     */
    public function caller(WP_REST_Request $request): Caller
    {
        $head = $this->headers($request);
        $secret = $this->keys->secret($head['key_id']);
        if ($secret === null) {
            throw new Problem('mi_auth_revoked', 'This key is not known or no longer valid.');
        }
        if (!$this->signed($request, $head, $secret)) {
            throw new Problem('mi_auth_bad_signature', 'The signature does not match the request.');
        }
        return new Caller($head['key_id'], $secret, $head['request_id'], (int) $head['timestamp'], $head['nonce']);
    }

    /**
     * Whether a caller may be answered now.
     *
     * @throws Problem
     */
    public function admit(Caller $caller, WP_REST_Request $request): void
    {
        $off = $caller->timestamp() - time();
        if (abs($off) > self::SKEW) {
            $data = ['seconds' => $off];
            throw new Problem('mi_auth_clock_skew', "The request's time is too far from this server's.", $data);
        }
        if (!$this->nonces->take($caller->nonce())) {
            throw new Problem('mi_auth_replayed', 'This request was answered before.');
        }
        if ($this->keys->moved()) {
            $data = ['home_url' => home_url()];
            throw new Problem('mi_site_moved', 'This site has another address than when it was connected.', $data);
        }
        if ((string) $request->get_header('x_memberintel_protocol') !== (string) Handshake::PROTOCOL) {
            $data = ['min' => Handshake::PROTOCOL, 'max' => Handshake::PROTOCOL];
            throw new Problem('mi_protocol_unsupported', 'This plugin speaks protocol ' . Handshake::PROTOCOL . '.', $data);
        }
        if ($request->get_route() !== '/' . Api::ROUTES . '/sync/disconnect') {
            $this->keys->used($caller->keyId());
        }
    }

    /** @param array<string, string> $head */
    public function signed(WP_REST_Request $request, array $head, string $secret): bool
    {
        $all = array_filter($request->get_query_params(), 'is_scalar');
        unset($all['rest_route']);
        foreach ([$all, array_intersect_key($all, array_flip(self::PARAMETERS))] as $query) {
            $lines = Signature::request(
                $request->get_method(),
                $request->get_route(),
                array_map('strval', $query),
                (string) $request->get_body(),
                $head['timestamp'],
                $head['nonce'],
                $head['key_id']
            );
            if (Signature::matches($secret, $lines, $head['signature'])) {
                return true;
            }
        }
        return false;
    }

    /**
     * @return array<string, string>
     * @throws Problem
     */
    public function headers(WP_REST_Request $request): array
    {
        $shapes = [
            'key_id' => '/^[A-Za-z0-9_-]{1,64}$/',
            'timestamp' => '/^\d{1,12}$/',
            'nonce' => '/^[0-9a-f]{32}$/i',
            'request_id' => '/^[A-Za-z0-9_-]{1,64}$/',
            'signature' => '/^v1=[0-9a-f]{64}$/',
        ];
        $head = [];
        foreach ($shapes as $name => $shape) {
            $head[$name] = (string) $request->get_header("x_memberintel_$name");
            if (!preg_match($shape, $head[$name])) {
                throw new Problem('mi_auth_missing', 'The request is not signed.');
            }
        }
        return $head;
    }
}
