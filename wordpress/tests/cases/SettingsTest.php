<?php

namespace MemberIntel\Tests;

use MemberIntel\Keys;

/** The screen and its buttons: who may see it, what it says, and that nobody else presses a button. */
final class SettingsTest extends SiteTestCase
{
    private const ACTIONS = ['connect', 'key', 'disconnect', 'moved', 'copy'];

    public function testItStandsUnderMemberPressAndTellsTheState(): void
    {
        $this->client->call('/sync');
        $html = (new Browser())->screen()->html;
        $this->assertStringContainsString('>MemberIntel</a>', $html);
        $this->assertMatchesRegularExpression('/State<\/th><td>Connected/', $html);
        $this->assertMatchesRegularExpression('/Last sync<\/th><td>never/', $html);
        $this->client->changes($this->client->call('/sync')->json['watermark']);
        $html = (new Browser())->screen()->html;
        $this->assertDoesNotMatchRegularExpression('/Last sync<\/th><td>never/', $html);
        $this->assertStringContainsString('Transactions: amounts, taxes, status, dates, number at the gateway (30)', $html);
        $this->assertStringContainsString('Never shared: passwords', $html);
        $this->assertStringNotContainsString($this->client->secret, $html);
    }

    public function testOnlyWhoMayManageOptionsSeesItAndPressesButtons(): void
    {
        wp_insert_user(['user_login' => 'editor', 'user_pass' => 'editor-pass', 'user_email' => 'editor@lakeside.example',
            'role' => 'editor']);
        foreach ([new Browser('editor', 'editor-pass'), new Browser('')] as $browser) {
            $this->assertStringNotContainsString('What is shared', $browser->screen()->html);
            foreach (self::ACTIONS as $action) {
                $browser->post('/wp-admin/admin-post.php', ['action' => "memberintel_$action"]);
                $this->assertNotSame(200, $browser->status, $action);
                $this->assertStringNotContainsString('page=memberintel', $browser->location, $action);
            }
            $browser->get('/wp-admin/admin.php?page=memberintel&mi_callback=1&state=x&code=y');
        }
        wp_cache_flush();
        $this->assertSame(200, $this->client->call('/sync')->status);
    }

    public function testAButtonNeedsItsOwnNonce(): void
    {
        $browser = (new Browser())->screen();
        preg_match('/memberintel_disconnect.*?name="_wpnonce" value="([^"]+)"/s', $browser->html, $nonce);
        foreach (self::ACTIONS as $action) {
            foreach (['', 'bad', $action === 'disconnect' ? 'bad' : $nonce[1]] as $value) {
                $browser->post('/wp-admin/admin-post.php', ['action' => "memberintel_$action", '_wpnonce' => $value]);
                $this->assertSame(403, $browser->status, "$action with '$value'");
            }
        }
        $this->assertSame(200, $this->client->call('/sync')->status);
    }

    public function testDisconnectEndsItAndForgetsWhatWasTold(): void
    {
        global $wpdb;
        $this->client->all('transactions');
        $html = (new Browser())->screen()->press('disconnect')->follow()->html;
        $this->assertStringContainsString('no longer connected', $html);
        $this->assertRefused(401, 'mi_auth_revoked', $this->client->call('/sync'), false);
        $this->assertSame('0', $wpdb->get_var("SELECT COUNT(*) FROM {$wpdb->prefix}mi_state"));
        wp_cache_flush();
        $this->assertFalse(wp_next_scheduled('memberintel_tick'));
    }

    public function testWhatComesFromElsewhereIsEscaped(): void
    {
        (new Keys())->put('mik_x', $this->client->secret, ['tenant' => '<script>alert(1)</script>',
            'service' => 'https://a.example/"><script>'], 1);
        $html = (new Browser())->screen()->html;
        $this->assertStringNotContainsString('<script>alert(1)', $html);
        $this->assertStringContainsString('&lt;script&gt;alert(1)', $html);
    }

    public function testWithoutMemberPressTheScreenIsStillThere(): void
    {
        update_option('active_plugins', ['memberintel/memberintel.php']);
        try {
            $browser = (new Browser())->screen();
        } finally {
            update_option('active_plugins', ['memberpress/memberpress.php', 'memberintel/memberintel.php']);
        }
        $this->assertSame(200, $browser->status);
        $this->assertStringContainsString('MemberPress is not active', $browser->html);
    }
}
