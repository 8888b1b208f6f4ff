<?php

namespace MemberIntel\Tests;

use PHPUnit\Framework\TestCase;

/** A test against the site that is served: a club and a connection, both new. */
abstract class SiteTestCase extends TestCase
{
    protected World $world;
    protected Client $client;

    protected function setUp(): void
    {
        $this->world = World::club();
        $this->client = World::connect();
    }

    protected function assertRefused(int $status, string $code, Reply $reply, bool $signed): void
    {
        $this->assertSame([$status, $code, $signed], [$reply->status, $reply->code(), $reply->signed], $reply->raw);
    }

    /** A watermark from which nothing is new. */
    protected function upToDate(): string
    {
        return $this->client->changes($this->client->call('/sync')->json['watermark'])['watermark'];
    }
}
