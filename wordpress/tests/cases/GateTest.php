<?php

namespace MemberIntel\Tests;

use MemberIntel\Keys;
use MemberIntel\Signature;

/** Who is answered, with what, and how it is signed. */
final class GateTest extends SiteTestCase
{
    public function testWhoeverDoesNotSignRightlyIsTurnedAwayUnsigned(): void
    {
        foreach (['Key-Id', 'Timestamp', 'Nonce', 'Request-Id', 'Signature'] as $name) {
            $reply = $this->client->call('/sync', [], 'GET', '', ['headers' => ["X-MemberIntel-$name" => null]]);
            $this->assertRefused(401, 'mi_auth_missing', $reply, false);
        }
        $wrong = ['headers' => ['X-MemberIntel-Signature' => 'v1=' . str_repeat('0', 64)]];
        $this->assertRefused(401, 'mi_auth_bad_signature', $this->client->call('/sync', [], 'GET', '', $wrong), false);
        $this->assertRefused(
            401,
            'mi_auth_bad_signature',
            $this->client->call('/sync/members', ['after' => 0], 'GET', '', ['extra' => '&limit=1']),
            false
        );
        $stranger = new Client($this->client->url, 'mik_stranger', $this->client->secret);
        $this->assertRefused(401, 'mi_auth_revoked', $stranger->call('/sync'), false);
    }

    public function testTheBodyAndTheRouteAreSigned(): void
    {
        $other = (new Client($this->client->url, $this->client->keyId, $this->client->secret));
        $reply = $other->call('/sync/members', [], 'POST', '{"limit":1}');
        $this->assertSame(200, $reply->status);
        $lines = Signature::request('POST', '/memberintel/v1/sync/rules', [], '', '1', str_repeat('a', 32), 'k');
        $this->assertNotSame($lines, Signature::request('POST', '/memberintel/v1/sync', [], '', '1', str_repeat('a', 32), 'k'));
        $moved = ['headers' => ['X-MemberIntel-Signature' => Signature::sign($this->client->secret, $lines)]];
        $this->assertRefused(401, 'mi_auth_bad_signature', $this->client->call('/sync/rules', [], 'POST', '', $moved), false);
    }

    public function testParametersThatTheServerAddsDoNoHarm(): void
    {
        $reply = $this->client->call('/sync/members', ['limit' => 2], 'GET', '', ['extra' => '&q=/&utm_source=x']);
        $this->assertSame(200, $reply->status, $reply->raw);
        $this->assertCount(2, $reply->rows());
    }

    public function testTheClockMayBeFiveMinutesOffAndNoMore(): void
    {
        foreach ([-295, 295] as $off) {
            $this->assertSame(200, $this->client->call('/sync', [], 'GET', '', ['timestamp' => time() + $off])->status);
        }
        foreach ([-310, 310] as $off) {
            $reply = $this->client->call('/sync', [], 'GET', '', ['timestamp' => time() + $off]);
            $this->assertRefused(401, 'mi_auth_clock_skew', $reply, true);
            $this->assertEqualsWithDelta($off, $reply->json['data']['seconds'], 3);
            $this->assertEqualsWithDelta(time(), strtotime($reply->json['server_time']), 3);
        }
    }

    public function testARequestIsAnsweredOnce(): void
    {
        $same = ['nonce' => bin2hex(random_bytes(16)), 'timestamp' => time(), 'request_id' => 'once'];
        $this->assertSame(200, $this->client->call('/sync', [], 'GET', '', $same)->status);
        $this->assertRefused(401, 'mi_auth_replayed', $this->client->call('/sync', [], 'GET', '', $same), true);
    }

    public function testAProtocolThatIsNotSpokenIsRefusedWithTheRange(): void
    {
        foreach (['2', '0', '', null] as $version) {
            $reply = $this->client->call('/sync', [], 'GET', '', ['headers' => ['X-MemberIntel-Protocol' => $version]]);
            $this->assertRefused(409, 'mi_protocol_unsupported', $reply, true);
            $this->assertSame(['min' => 1, 'max' => 1], $reply->json['data']);
        }
    }

    public function testParametersThatCannotBeReadAreNamed(): void
    {
        foreach (
            [['/sync/members', 'after', 'first'], ['/sync/members', 'after', '-1'], ['/sync/members', 'limit', '0'],
            ['/sync/changes', 'since', 'yesterday'], ['/sync/changes', 'since', ''],
            ['/sync/checksums', 'bucket', '99']] as [$path, $name, $value]
        ) {
            $query = [$name => $value] + ($path === '/sync/checksums' ? ['entity' => 'members'] : []);
            $reply = $this->client->call($path, $query);
            $this->assertRefused(400, 'mi_bad_request', $reply, true);
            $this->assertSame($name, $reply->json['data']['parameter']);
        }
    }

    /** @return iterable<string, array{string, string, string}> */
    public static function oddities(): iterable
    {
        $numbers = ['negative' => '-5', 'signed' => '+5', 'other digits' => "\u{0665}", 'full width' => "\u{FF15}",
            'no UTF-8' => "5\xff", 'a NUL' => "5\0", 'a line' => "5\n", 'spaces' => ' 5', 'a fraction' => '5.0',
            'an exponent' => '1e3', 'hexadecimal' => '0x10', 'more than fits' => str_repeat('9', 20),
            'very long' => str_repeat('9', 5000), 'SQL' => '1 OR 1=1'];
        foreach ($numbers as $what => $text) {
            yield "after: $what" => ['/sync/members', 'after', $text];
            yield "bucket: $what" => ['/sync/checksums', 'bucket', $text];
        }
        $moments = ['very long' => str_repeat('x', 6000), 'other letters' => "mw1.\u{00e4}.b", 'no UTF-8' => "mw1.\xff.b",
            'no such day' => '2026-13-45T99:99:99Z', 'a line behind' => "2026-01-01T00:00:00Z\n", 'no zone' => '2026-01-01T00:00:00'];
        foreach ($moments as $what => $text) {
            yield "since: $what" => ['/sync/changes', 'since', $text];
        }
        $lists = ['a line behind' => "members\n", 'a space' => 'members, rules', 'very long' => str_repeat('m', 301)];
        foreach ($lists as $what => $text) {
            yield "entities: $what" => ['/sync/changes', 'entities', $text];
        }
    }

    /** @dataProvider oddities */
    public function testAnOddParameterIsRefusedHoweverItComes(string $path, string $name, string $text): void
    {
        $query = [$name => $text] + ($path === '/sync/checksums' ? ['entity' => 'members'] : []);
        $reply = $this->client->call($path, $query);
        $this->assertRefused(400, 'mi_bad_request', $reply, true);
        $this->assertSame($name, $reply->json['data']['parameter']);
        if (preg_match('//u', $text)) { // a JSON text has no other
            $reply = $this->client->call($path, [], 'POST', (string) json_encode($query));
            $this->assertRefused(400, 'mi_bad_request', $reply, true);
        }
    }

    public function testAnOddEntityIsNamedAsWellAsItCanBe(): void
    {
        foreach (["\u{540d}\u{524d}", "members\xff", "members'", 'Members', str_repeat('m', 5000), ''] as $name) {
            $this->assertRefused(404, 'mi_entity_unsupported', $this->client->call('/sync/checksums', ['entity' => $name]), true);
        }
    }

    public function testAnEntityThatTheSiteDoesNotHave(): void
    {
        global $wpdb;
        $wpdb->query("RENAME TABLE {$wpdb->prefix}mepr_corporate_accounts TO {$wpdb->prefix}away");
        try {
            $reply = $this->client->call('/sync/corporate_accounts');
            $names = array_column($this->client->call('/sync')->json['site']['entities'], 'name');
        } finally {
            $wpdb->query("RENAME TABLE {$wpdb->prefix}away TO {$wpdb->prefix}mepr_corporate_accounts");
        }
        $this->assertRefused(404, 'mi_entity_unsupported', $reply, true);
        $this->assertSame($names, $reply->json['data']['entities']);
        $this->assertNotContains('corporate_accounts', $names);
        $this->assertRefused(404, 'mi_entity_unsupported', $this->client->call('/sync/invoices'), true);
    }

    public function testWithoutMemberPressTheAnswerSaysSo(): void
    {
        update_option('active_plugins', ['memberintel/memberintel.php']);
        try {
            $reply = $this->client->call('/sync');
        } finally {
            update_option('active_plugins', ['memberpress/memberpress.php', 'memberintel/memberintel.php']);
        }
        $this->assertRefused(404, 'mi_memberpress_missing', $reply, true);
    }

    public function testABrokenDatabaseIsToldWithoutItsInside(): void
    {
        global $wpdb;
        $wpdb->query("ALTER TABLE {$wpdb->prefix}mi_state RENAME TO {$wpdb->prefix}away");
        try {
            $reply = $this->client->call('/sync/changes', ['since' => $this->client->call('/sync')->json['watermark']]);
        } finally {
            $wpdb->query("ALTER TABLE {$wpdb->prefix}away RENAME TO {$wpdb->prefix}mi_state");
        }
        $this->assertRefused(503, 'mi_failed', $reply, true);
        $this->assertSame('60', $reply->headers['retry-after']);
        $this->assertStringNotContainsString('mi_state', $reply->raw);
    }

    public function testASecondRequestForChangesWaitsAndIsSentAway(): void
    {
        global $wpdb;
        $since = $this->client->call('/sync')->json['watermark'];
        $wpdb->query("SELECT GET_LOCK('mi_" . md5(DB_NAME . '|' . $wpdb->prefix) . "', 5)");
        try {
            $reply = $this->client->call('/sync/changes', ['since' => $since]);
        } finally {
            $wpdb->query("SELECT RELEASE_LOCK('mi_" . md5(DB_NAME . '|' . $wpdb->prefix) . "')");
        }
        $this->assertRefused(503, 'mi_busy', $reply, true);
        $this->assertSame('5', $reply->headers['retry-after']);
    }

    public function testAFormerKeyOfTheSameConnectionWorksUntilTheNewOneIsUsed(): void
    {
        $keys = new Keys();
        $first = World::connect('0198c2de');
        $second = World::connect('0198c2de');
        $this->assertSame(200, $first->call('/sync')->status);
        $this->assertSame(200, $second->call('/sync')->status);
        $this->assertRefused(401, 'mi_auth_revoked', $first->call('/sync'), false);

        $other = World::connect('another');
        $this->assertRefused(401, 'mi_auth_revoked', $second->call('/sync'), false);
        $this->assertSame(200, $other->call('/sync')->status);
        $this->assertTrue($keys->connected());
    }

    public function testDisconnectEndsItAtOnce(): void
    {
        global $wpdb;
        $this->assertSame(404, $this->client->call('/sync/disconnect')->status, 'not by GET');
        $reply = $this->client->call('/sync/disconnect', [], 'POST', '{"reason":"test"}');
        $this->assertSame([200, true, true], [$reply->status, $reply->signed, $reply->json['disconnected']], $reply->raw);
        $this->assertRefused(401, 'mi_auth_revoked', $this->client->call('/sync'), false);
        $this->assertSame('0', $wpdb->get_var("SELECT COUNT(*) FROM {$wpdb->prefix}mi_state"));
    }

    public function testNoCacheMayKeepAnAnswer(): void
    {
        $headers = $this->client->call('/sync')->headers;
        $this->assertStringContainsString('no-store', $headers['cache-control']);
        foreach (
            ['cdn-cache-control' => 'no-store', 'surrogate-control' => 'no-store',
            'x-litespeed-cache-control' => 'no-cache', 'x-accel-expires' => '0'] as $name => $value
        ) {
            $this->assertSame($value, $headers[$name]);
        }
        $this->assertSame('gzip', $this->client->call('/sync')->headers['content-encoding']);
    }

    public function testASecretIsNotInTheDatabase(): void
    {
        global $wpdb;
        $stored = implode("\n", $wpdb->get_col("SELECT option_value FROM $wpdb->options"));
        $this->assertStringContainsString($this->client->keyId, $stored);
        $this->assertStringNotContainsString($this->client->secret, $stored);
        $this->assertStringNotContainsString(bin2hex(Signature::bytes($this->client->secret)), bin2hex($stored));
    }
}
