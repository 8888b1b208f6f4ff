<?php

namespace MemberIntel;

/** Whoever signed a request rightly. */
final class Caller
{
    private string $keyId;
    private string $secret;
    private string $requestId;
    private int $timestamp;
    private string $nonce;

    public function __construct(string $keyId, string $secret, string $requestId, int $timestamp, string $nonce)
    {
        $this->keyId = $keyId;
        $this->secret = $secret;
        $this->requestId = $requestId;
        $this->timestamp = $timestamp;
        $this->nonce = $nonce;
    }

    public function keyId(): string
    {
        return $this->keyId;
    }

    public function timestamp(): int
    {
        return $this->timestamp;
    }

    public function nonce(): string
    {
        return $this->nonce;
    }

    /** The signature of an answer to this request. */
    public function sign(int $status, string $body): string
    {
        return Signature::sign($this->secret, Signature::response($this->requestId, $status, $body));
    }
}
