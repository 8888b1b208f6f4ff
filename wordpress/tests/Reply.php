<?php

namespace MemberIntel\Tests;

use MemberIntel\Signature;

/** What came back, read as the protocol tells a reader to: find both ends, check the signature, then parse. */
final class Reply
{
    public int $status;
    public string $raw;

    /** @var array<string, string> lower-case names */
    public array $headers;

    /** @var array<string, mixed> */
    public array $json = [];
    public bool $signed = false;

    /** @param array<string, string> $headers */
    public function __construct(int $status, array $headers, string $raw, string $requestId, string $secret)
    {
        $this->status = $status;
        $this->headers = $headers;
        $this->raw = $raw;
        $begin = strpos($raw, '{"protocol":');
        $end = strrpos($raw, "\n{\"mi_signature\":\"");
        if ($begin === false) {
            return;
        }
        $body = substr($raw, $begin, ($end === false ? strlen($raw) : $end) - $begin);
        $this->json = (array) json_decode($body, true);
        if ($end !== false) {
            $trailer = (array) json_decode(substr($raw, $end + 1), true);
            $lines = Signature::response($requestId, $status, $body);
            $this->signed = Signature::matches($secret, $lines, (string) ($trailer['mi_signature'] ?? ''));
        }
    }

    /** @return array<int, array<string, mixed>> */
    public function rows(): array
    {
        return $this->json['rows'] ?? [];
    }

    public function code(): string
    {
        return (string) ($this->json['code'] ?? '');
    }
}
