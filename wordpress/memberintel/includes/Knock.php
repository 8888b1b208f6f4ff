<?php

namespace MemberIntel;

/** Tells the service that something changed, so that it asks soon. A knock that is lost costs nothing but time. */
final class Knock
{
    private const APART = 30;
    private const MARKS_KEPT = 50000;
    private const TOMBSTONE_DAYS = 90;

    private Keys $keys;
    private Meta $meta;
    private Marks $marks;
    private State $state;
    private Watermark $watermark;

    public function __construct(Keys $keys, Meta $meta, Marks $marks, State $state, Watermark $watermark)
    {
        $this->keys = $keys;
        $this->meta = $meta;
        $this->marks = $marks;
        $this->state = $state;
        $this->watermark = $watermark;
    }

    /**
     * At the end of a request. Only where PHP can let the visitor go first; elsewhere tick() does it within minutes.
     */
    public function afterVisit(bool $changed): void
    {
        if (!$changed || !$this->possible()) {
            return;
        }
        if (function_exists('fastcgi_finish_request')) {
            fastcgi_finish_request();
        } elseif (function_exists('litespeed_finish_request')) {
            litespeed_finish_request();
        } elseif (PHP_SAPI !== 'cli' && !wp_doing_cron()) {
            return;
        }
        $this->send();
    }

    /** Has WordPress' clock call tick(); doing it twice changes nothing. */
    public static function schedule(): void
    {
        if (!wp_next_scheduled('memberintel_tick')) {
            wp_schedule_event(time() + 5 * MINUTE_IN_SECONDS, 'memberintel', 'memberintel_tick');
        }
    }

    /** Every five minutes by WordPress' own clock: a knock that is owed, and what must not grow. */
    public function tick(): void
    {
        if (!$this->keys->connected()) {
            return;
        }
        $this->marks->trim(self::MARKS_KEPT);
        $this->state->prune(self::TOMBSTONE_DAYS);
        if ($this->possible() && $this->marks->waiting()) {
            $this->send();
        }
    }

    /** A key, an address to knock at, and still the site that was connected. */
    private function possible(): bool
    {
        $about = $this->keys->about();
        return $about['connection_id'] !== '' && $about['service'] !== '' && $this->keys->listening();
    }

    /** At most one in half a minute, from whichever process comes first, without waiting for the answer. */
    private function send(): void
    {
        $key = $this->keys->own();
        if ($key === null || !$this->meta->claim('knocked_at', self::APART)) {
            return;
        }
        $about = $this->keys->about();
        $route = '/knock/memberpress/' . $about['connection_id'];
        $seq = $this->meta->number('seq');
        $body = Value::json(['watermark' => $seq === 0 ? null : $this->watermark->encode($seq, 0)]);
        $nonce = bin2hex(random_bytes(16));
        $lines = Signature::request('POST', $route, [], $body, (string) time(), $nonce, $key['id']);
        wp_remote_post($about['service'] . $route, [
            'blocking' => false,
            'timeout' => 1,
            'redirection' => 0,
            'user-agent' => 'memberintel-plugin/' . MEMBERINTEL_VERSION,
            'headers' => [
                'Accept' => 'application/json',
                'Content-Type' => 'application/json',
                'X-MemberIntel-Key-Id' => $key['id'],
                'X-MemberIntel-Timestamp' => explode("\n", $lines)[5],
                'X-MemberIntel-Nonce' => $nonce,
                'X-MemberIntel-Request-Id' => bin2hex(random_bytes(8)),
                'X-MemberIntel-Protocol' => (string) Handshake::PROTOCOL,
                'X-MemberIntel-Signature' => Signature::sign($key['secret'], $lines),
            ],
            'body' => $body,
        ]);
    }
}
