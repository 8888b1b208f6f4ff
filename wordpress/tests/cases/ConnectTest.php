<?php

namespace MemberIntel\Tests;

use MemberIntel\Keys;
use MemberIntel\Signature;
use PHPUnit\Framework\TestCase;

/** The way from the button to the key, and everybody who would like to cut in. */
final class ConnectTest extends TestCase
{
    private static FakeService $service;
    private Browser $browser;

    /** @var array<string, mixed> what the service answers */
    private array $key;

    public static function setUpBeforeClass(): void
    {
        self::$service = new FakeService();
    }

    public static function tearDownAfterClass(): void
    {
        self::$service->stop();
    }

    protected function setUp(): void
    {
        World::clear();
        (new Keys())->drop();
        delete_metadata('user', 0, 'memberintel_connecting', '', true);
        $this->key = ['key_id' => 'mik_' . bin2hex(random_bytes(4)), 'secret' => Signature::secret(),
            'connection_id' => '0198c2de-4d5a-7b60-8a11-6a1f2b3c4d5e', 'tenant' => '<b>Lakeside</b>'];
        self::$service->answer(200, $this->key);
        $this->browser = new Browser();
    }

    public function testAnAdministratorConnectsAndTheSiteAnswersTheService(): void
    {
        $asked = $this->begin();
        $this->assertSame('S256', $asked['code_challenge_method']);
        $this->assertSame($this->url('/wp-admin/admin.php?page=memberintel&mi_callback=1'), $asked['callback']);
        $this->assertSame($this->url(''), $asked['site']);

        $this->come($asked['state'], 'mic_code');
        $this->assertSame($this->url('/wp-admin/admin.php?page=memberintel'), $this->browser->location);
        $exchanges = self::$service->asked();
        $exchange = json_decode(end($exchanges)['body'], true);
        $this->assertSame('/connect/memberpress/token', end($exchanges)['path']);
        $this->assertSame('mic_code', $exchange['code']);
        $this->assertSame($asked['code_challenge'], Signature::encode(hash('sha256', $exchange['code_verifier'], true)));
        $this->assertSame([$asked['site_id'], $asked['site']], [$exchange['site_id'], $exchange['home_url']]);

        $html = $this->browser->follow()->html;
        $this->assertStringContainsString('Waiting for the first contact', $html);
        $this->assertStringContainsString('&lt;b&gt;Lakeside', $html);
        $client = new Client($this->url(''), $this->key['key_id'], $this->key['secret']);
        $this->assertTrue($client->call('/sync')->signed);
        $this->assertStringContainsString('Last contact', $this->browser->screen()->html);
        $this->assertStringNotContainsString('Waiting for the first contact', $this->browser->html);
    }

    public function testAForeignStateConnectsNothing(): void
    {
        $this->begin();
        $this->come(Signature::secret(), 'mic_attacker');
        $this->assertStringContainsString('does not belong to a connection', $this->browser->follow()->html);
        $this->assertFalse($this->connected());
    }

    public function testAStateIsGoodForItsUserAlone(): void
    {
        $asked = $this->begin();
        $this->second();
        $this->come($asked['state'], 'mic_code');
        $this->assertFalse($this->connected());
    }

    public function testAStateIsGoodOnceAndForTenMinutes(): void
    {
        $asked = $this->begin();
        $this->come($asked['state'], 'mic_code');
        $this->assertTrue($this->connected());
        (new Keys())->drop();
        $this->come($asked['state'], 'mic_code');
        wp_cache_flush();
        $this->assertFalse($this->connected());

        $asked = $this->begin();
        wp_cache_flush();
        update_user_meta(1, 'memberintel_connecting', ['until' => time() - 1] + get_user_meta(1, 'memberintel_connecting', true));
        $this->come($asked['state'], 'mic_code');
        $this->assertFalse($this->connected());
    }

    public function testWhoeverWasDemotedMeanwhileConnectsNothing(): void
    {
        $second = $this->second();
        $asked = $this->begin();
        (new \WP_User($second))->set_role('subscriber');
        $this->come($asked['state'], 'mic_code');
        $this->assertSame(403, $this->browser->status);
        $this->assertFalse($this->connected());
    }

    public function testNoKeyIsBroughtToWhomeverWasDemotedMeanwhile(): void
    {
        $second = $this->second();
        $asked = $this->begin('http://127.0.0.1:9');
        $this->come($asked['state'], 'mic_code');
        (new \WP_User($second))->set_role('subscriber');
        $client = new Client($this->url(''), $this->key['key_id'], $this->key['secret']);
        $offer = $client->call('/connect', [], 'POST', (string) json_encode(['code' => 'mic_code'] + $this->key));
        $this->assertSame([404, 'mi_not_connecting'], [$offer->status, $offer->code()]);
        $this->assertFalse($this->connected());
    }

    public function testADenialAndARefusedCodeAreSaid(): void
    {
        $asked = $this->begin();
        $this->browser->get('/wp-admin/admin.php?page=memberintel&mi_callback=1&error=access_denied&state=' . $asked['state']);
        $this->assertStringContainsString('declined', $this->browser->follow()->html);
        self::$service->answer(400, ['error' => 'invalid_grant']);
        $asked = $this->begin();
        $this->come($asked['state'], 'mic_used');
        $this->assertStringContainsString('did not accept', $this->browser->follow()->html);
        self::$service->answer(200, ['key_id' => 'x', 'secret' => 'short']);
        $asked = $this->begin();
        $this->come($asked['state'], 'mic_code');
        $this->assertStringContainsString('did not accept', $this->browser->follow()->html);
        $this->assertFalse($this->connected());
    }

    public function testOnlyASafeAddressIsTaken(): void
    {
        foreach (['ftp://127.0.0.1', 'javascript:alert(1)', 'https://user@evil.example', 'https://', ''] as $address) {
            $this->browser->screen()->press('connect', ['service' => $address]);
            $this->assertStringStartsWith($this->url(''), $this->browser->location, $address);
            $this->assertStringContainsString('no address to connect to', $this->browser->follow()->html);
        }
    }

    public function testTheServiceBringsTheKeyWhereTheSiteCannotCallOut(): void
    {
        $asked = $this->begin('http://127.0.0.1:9');
        $this->come($asked['state'], 'mic_code');
        $this->assertStringContainsString('cannot call out, and MemberIntel brings a key only', $this->browser->follow()->html);

        $client = new Client($this->url(''), $this->key['key_id'], $this->key['secret']);
        $wrong = $client->call('/connect', [], 'POST', (string) json_encode(['code' => 'mic_other'] + $this->key));
        $this->assertSame([404, 'mi_not_connecting', false], [$wrong->status, $wrong->code(), $wrong->signed]);
        $this->assertFalse($this->connected());

        $right = $client->call('/connect', [], 'POST', (string) json_encode(['code' => 'mic_code'] + $this->key));
        $this->assertSame([200, true], [$right->status, $right->signed], $right->raw);
        $this->assertSame($asked['code_challenge'], Signature::encode(hash('sha256', $right->json['code_verifier'], true)));
        $lost = $client->call('/connect', [], 'POST', (string) json_encode(['code' => 'mic_code'] + $this->key));
        $this->assertSame($right->json['code_verifier'], $lost->json['code_verifier'] ?? '', 'the answer may be lost');
        $other = (string) json_encode(['code' => 'mic_code', 'key_id' => 'mik_other'] + $this->key);
        $second = (new Client($this->url(''), 'mik_other', $this->key['secret']))->call('/connect', [], 'POST', $other);
        $this->assertSame(404, $second->status, 'another key for the same code');
        $this->assertTrue($client->call('/sync')->signed);
        $again = $client->call('/connect', [], 'POST', (string) json_encode(['code' => 'mic_code'] + $this->key));
        $this->assertSame(404, $again->status, 'a code is good until its key is used');
    }

    public function testAKeyThatTheServiceDidNotKeepIsTakenBack(): void
    {
        $asked = $this->begin('http://127.0.0.1:9');
        $this->come($asked['state'], 'mic_code');
        $client = new Client($this->url(''), $this->key['key_id'], $this->key['secret']);
        $offer = (string) json_encode(['code' => 'mic_code'] + $this->key);
        $this->assertSame(200, $client->call('/connect', [], 'POST', $offer)->status);
        $this->assertSame(200, $client->call('/sync/disconnect', [], 'POST', '{"reason":"not connected after all"}')->status);
        $this->assertFalse($this->connected());
        $this->assertSame(404, $client->call('/connect', [], 'POST', $offer)->status, 'nobody waits any more');
        $this->assertStringContainsString('This site is not connected', $this->browser->screen()->html);
    }

    public function testTakingAKeyBackLeavesTheOneBefore(): void
    {
        $first = $this->withKey('mik_first');
        $this->assertSame(200, $first->call('/sync')->status);
        $second = $this->withKey('mik_second');
        $this->assertSame(200, $second->call('/sync/disconnect', [], 'POST', '{}')->status);
        $this->assertSame([401, 'mi_auth_revoked'], [$second->call('/sync')->status, $second->call('/sync')->code()]);
        $this->assertSame(200, $first->call('/sync')->status);
        wp_cache_flush();
        $this->assertSame('mik_first', (new Keys())->own()['id'] ?? '');
        $this->assertSame(200, $first->call('/sync/disconnect', [], 'POST', '{}')->status);
        $this->assertFalse($this->connected());
    }

    public function testADisconnectionWithTheKeyBeforeEndsAll(): void
    {
        $first = $this->withKey('mik_first');
        $this->assertSame(200, $first->call('/sync')->status);
        $this->withKey('mik_second');
        $this->assertSame(200, $first->call('/sync/disconnect', [], 'POST', '{"reason":"disconnected by the tenant"}')->status);
        $this->assertFalse($this->connected(), 'nobody may have the second key');
    }

    public function testAKeyThatNobodyUsesIsSaid(): void
    {
        wp_cache_flush();
        (new Keys())->put('mik_first', Signature::secret(), [], 1);
        $this->assertStringNotContainsString('has not used the key', $this->browser->screen()->html);
        update_option('memberintel_connection', ['made_at' => time() - 301] + get_option('memberintel_connection'), true);
        $this->assertStringContainsString('has not used the key', $this->browser->screen()->html);
    }

    public function testAKeyMadeByHandIsShownOnce(): void
    {
        $html = $this->browser->screen()->press('key')->follow()->html;
        preg_match_all('/<code>([^<]+)<\/code>/', $html, $code);
        [$id, $secret] = $code[1];
        $this->assertTrue((new Client($this->url(''), $id, $secret))->call('/sync')->signed);
        $this->assertStringNotContainsString($secret, $this->browser->screen()->html);
    }

    /** A client with a key that was made just now. */
    private function withKey(string $id): Client
    {
        wp_cache_flush();
        $secret = Signature::secret();
        (new Keys())->put($id, $secret, ['connection_id' => $this->key['connection_id']], 1);
        return new Client($this->url(''), $id, $secret);
    }

    /** Signs a second administrator in, in a browser of their own. */
    private function second(): int
    {
        $id = wp_insert_user(['user_login' => 'second', 'user_pass' => 'second-pass', 'user_email' => 'second@lakeside.example',
            'role' => 'administrator']);
        $this->browser = new Browser('second', 'second-pass');
        return (int) $id;
    }

    /** @return array<string, string> what the plugin sent the browser to the service with */
    private function begin(string $service = ''): array
    {
        $service = $service === '' ? self::$service->url : $service;
        $this->browser->screen()->press('connect', ['service' => $service . '/']);
        $this->assertStringStartsWith($service . '/connect/memberpress?', $this->browser->location, $this->browser->html);
        parse_str((string) parse_url($this->browser->location, PHP_URL_QUERY), $asked);
        return $asked;
    }

    private function come(string $state, string $code): void
    {
        $this->browser->get("/wp-admin/admin.php?page=memberintel&mi_callback=1&state=$state&code=$code");
    }

    private function connected(): bool
    {
        wp_cache_flush();
        return (new Keys())->connected();
    }

    private function url(string $path): string
    {
        return getenv('MEMBERINTEL_TEST_URL') . $path;
    }
}
