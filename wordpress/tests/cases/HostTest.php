<?php

namespace MemberIntel\Tests;

/** What customers' hosts and other plugins do to a request. */
final class HostTest extends SiteTestCase
{
    protected function tearDown(): void
    {
        @unlink($this->plugin());
        update_option('permalink_structure', '/%postname%/');
        delete_option('rewrite_rules');
    }

    public function testPlainPermalinksAndARenamedPrefixLeaveTheOneFormThatAlwaysWorks(): void
    {
        update_option('permalink_structure', '');
        $this->assertCount(2, $this->client->call('/sync/products')->rows());
        update_option('permalink_structure', '/%postname%/');
        $this->also("add_filter('rest_url_prefix', static function () { return 'api'; });");
        $this->assertCount(2, $this->client->call('/sync/products')->rows());
    }

    public function testAWallBeforeAllContentDoesNotStandInTheWay(): void
    {
        $this->also("add_action('template_redirect', static function () { wp_redirect('/login?action=mepr_unauthorized'); exit; });
            add_filter('the_posts', '__return_empty_array');");
        $this->assertCount(2, $this->client->call('/sync/products')->rows());
    }

    public function testARestrictedRestApiAnswersInItsOwnName(): void
    {
        $this->also("add_filter('rest_authentication_errors', static function () {
            return new WP_Error('rest_not_logged_in', 'No.', ['status' => 401]); });");
        $reply = $this->client->call('/sync');
        $this->assertSame([401, false], [$reply->status, $reply->signed]);
        $this->assertStringContainsString('rest_not_logged_in', $reply->raw);
    }

    public function testACachedAnswerIsFoundOut(): void
    {
        $cached = $this->client->call('/sync/products');
        $again = new Reply($cached->status, $cached->headers, $cached->raw, 'another-request', $this->client->secret);
        $this->assertFalse($again->signed);
        $cut = substr($cached->raw, 0, -200);
        $this->assertFalse((new Reply(200, [], $cut, 'x', $this->client->secret))->signed);
    }

    public function testASignatureComesThroughWhereHeadersOfTheAnswerAreTakenAway(): void
    {
        $this->also("add_filter('rest_post_dispatch', static function (\$answer) { \$answer->set_headers([]); return \$answer; });");
        $reply = $this->client->call('/sync/products');
        $this->assertArrayNotHasKey('x-memberintel-response-signature', $reply->headers);
        $this->assertTrue($reply->signed);
    }

    private function also(string $code): void
    {
        file_put_contents($this->plugin(), '<?php ' . $code);
    }

    private function plugin(): string
    {
        return getenv('MEMBERINTEL_TEST_SITE') . '/wp-content/mu-plugins/host.php';
    }
}
