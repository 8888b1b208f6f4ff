<?php

namespace MemberIntel\Tests;

use MemberIntel\Signature;
use PHPUnit\Framework\TestCase;

/** The fixtures that the service's tests read too: every signature in them is one that the plugin would make. */
final class ContractTest extends TestCase
{
    /** @return iterable<string, array{array<string, mixed>}> */
    public static function fixtures(): iterable
    {
        foreach (glob(__DIR__ . '/../../contract/*.json') ?: [] as $file) {
            yield basename($file, '.json') => [json_decode((string) file_get_contents($file), true)];
        }
    }

    /**
     * @dataProvider fixtures
     * @param array<string, mixed> $fixture
     */
    public function testTheRequestIsSignedAsItSays(array $fixture): void
    {
        $request = $fixture['request'];
        if ($request['string_to_sign'] === null) {
            $this->assertArrayNotHasKey('X-MemberIntel-Signature', $request['headers']);
            return;
        }
        $head = $request['headers'];
        $lines = Signature::request(
            $request['method'],
            $request['route'],
            $request['query'],
            $request['body'],
            $head['X-MemberIntel-Timestamp'],
            $head['X-MemberIntel-Nonce'],
            $head['X-MemberIntel-Key-Id']
        );
        $this->assertSame($request['string_to_sign'], $lines);
        $this->assertSame($request['signature'], $head['X-MemberIntel-Signature']);
        $right = Signature::sign($fixture['key']['secret'], $lines) === $request['signature'];
        $this->assertSame($fixture['name'] !== 'error_auth_bad_signature', $right);
    }

    /**
     * @dataProvider fixtures
     * @param array<string, mixed> $fixture
     */
    public function testTheAnswerIsSignedAsItSays(array $fixture): void
    {
        $response = $fixture['response'];
        $end = strrpos($response['body'], "\n{\"mi_signature\":");
        $body = $end === false ? $response['body'] : substr($response['body'], 0, $end);
        $this->assertSame($response['json'], $body === '' ? null : json_decode($body, true));
        $this->assertSame($response['signature'] === null, $end === false);
        if ($response['signature'] === null) {
            return;
        }
        $id = $fixture['request']['headers']['X-MemberIntel-Request-Id'];
        $lines = Signature::response($id, $response['status'], $body);
        $this->assertSame($response['string_to_sign'], $lines);
        $signature = Signature::sign($fixture['key']['secret'], $lines);
        $this->assertSame($signature, $response['signature']);
        $this->assertSame($signature, $response['headers']['X-MemberIntel-Response-Signature']);
        $this->assertSame("\n{\"mi_signature\":\"$signature\"}", substr($response['body'], (int) $end));
        $this->assertStringStartsWith('{"protocol":1,"request_id":', $body);
    }
}
