<?php

namespace MemberIntel;

/** What a request is refused with. The codes and statuses are those of the protocol, and no others. */
final class Problem extends \RuntimeException
{
    private const STATUS = [
        'mi_bad_request' => 400,
        'mi_auth_missing' => 401,
        'mi_auth_bad_signature' => 401,
        'mi_auth_revoked' => 401,
        'mi_auth_clock_skew' => 401,
        'mi_auth_replayed' => 401,
        'mi_site_moved' => 403,
        'mi_memberpress_missing' => 404,
        'mi_entity_unsupported' => 404,
        'mi_not_connecting' => 404,
        'mi_protocol_unsupported' => 409,
        'mi_resync_required' => 410,
        'mi_busy' => 503,
        'mi_failed' => 503,
    ];

    private string $name;

    /** @var array<string, mixed> */
    private array $data;

    /** @param array<string, mixed> $data */
    public function __construct(string $name, string $message, array $data = [])
    {
        parent::__construct($message);
        $this->name = $name;
        $this->data = $data;
    }

    public function name(): string
    {
        return $this->name;
    }

    public function status(): int
    {
        return self::STATUS[$this->name];
    }

    /** @return array<string, mixed> */
    public function data(): array
    {
        return $this->data;
    }

    /** After how many seconds to ask again, null when that would not help. */
    public function retryAfter(): ?int
    {
        return isset($this->data['retry_after']) ? (int) $this->data['retry_after'] : null;
    }
}
