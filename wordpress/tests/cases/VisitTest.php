<?php

namespace MemberIntel\Tests;

use MemberIntel\Budget;
use MemberIntel\Database;
use MemberIntel\Entities;
use MemberIntel\Keys;
use MemberIntel\MemberPress;
use MemberIntel\Meta;
use MemberIntel\Page;
use MemberIntel\Signature;
use MemberIntel\State;

/** What a visitor must never notice, what a host may do to an answer, and what is left behind. */
final class VisitTest extends SiteTestCase
{
    public function testACheckoutGoesOnWhenThePluginsTablesAreGone(): void
    {
        global $wpdb;
        $wpdb->query("DROP TABLE {$wpdb->prefix}mi_dirty");
        $visit = new Visit();
        $id = $this->world->txn(1, ['trans_num' => 'ch_anyway']);
        $wpdb->query('COMMIT');
        $this->world->txn(1, ['trans_num' => 'ch_again']);
        $visit->end();
        $this->assertSame('ch_anyway', $wpdb->get_var("SELECT trans_num FROM {$wpdb->prefix}mepr_transactions WHERE id = $id"));
        $wpdb->query("CREATE TABLE {$wpdb->prefix}mi_dirty LIKE kept_mi_dirty");
    }

    public function testWhatTheCodeAroundWantsToKnowIsUntouched(): void
    {
        global $wpdb;
        $visit = new Visit();
        $wpdb->query('START TRANSACTION');
        $wpdb->insert($wpdb->prefix . 'mepr_transactions', ['user_id' => 1, 'product_id' => 1, 'amount' => '1.00',
            'created_at' => '2026-01-01 00:00:00']);
        $id = $wpdb->insert_id;
        $wpdb->query('COMMIT');
        $this->assertGreaterThan(0, $id);
        $this->assertSame($id, $wpdb->insert_id);
        $this->assertSame((string) $id, $wpdb->get_var('SELECT LAST_INSERT_ID()'));
        $this->assertSame([(string) $id], $wpdb->get_col("SELECT row_id FROM {$wpdb->prefix}mi_dirty"), 'committed together');
        $visit->end();
    }

    public function testAMarkIsNotSeenBeforeItsChange(): void
    {
        global $wpdb;
        $since = $this->upToDate();
        $visit = new Visit();
        $wpdb->query('START TRANSACTION');
        $wpdb->update($wpdb->prefix . 'mepr_transactions', ['total' => '31.00'], ['id' => $this->world->ids['txn1']]);
        $during = $this->client->changes($since, 1000, false);
        $wpdb->query('COMMIT');
        $visit->end();
        $this->assertSame([], array_filter($during['rows']));
        $after = $this->client->changes($during['watermark'], 1000, false);
        $this->assertSame([$this->world->ids['txn1']], array_keys($after['rows']['transactions']));
    }

    public function testWithoutAConnectionNothingIsNoted(): void
    {
        global $wpdb;
        (new Keys())->drop();
        $visit = new Visit();
        $this->world->txn(1);
        $visit->end();
        $this->assertSame('0', $wpdb->get_var("SELECT COUNT(*) FROM {$wpdb->prefix}mi_dirty"));
    }

    public function testAKnockIsSignedAndComesAtMostEveryHalfMinute(): void
    {
        $service = new FakeService();
        try {
            $secret = Signature::secret();
            $details = ['connection_id' => '0198c2de', 'tenant' => '', 'service' => $service->url];
            (new Keys())->put('mik_knock', $secret, $details, 1);
            $this->client->call('/sync');
            foreach ([1, 2] as $n) {
                $visit = new Visit();
                $this->world->txn($n);
                $visit->end();
            }
            $asked = $service->asked();
            $this->assertCount(1, $asked);
            $this->assertSame('/knock/memberpress/0198c2de', $asked[0]['path']);
            $head = array_change_key_case($asked[0]['headers']);
            $lines = Signature::request(
                'POST',
                '/knock/memberpress/0198c2de',
                [],
                $asked[0]['body'],
                $head['x-memberintel-timestamp'],
                $head['x-memberintel-nonce'],
                'mik_knock'
            );
            $this->assertSame(Signature::sign($secret, $lines), $head['x-memberintel-signature']);
            $this->assertSame(['watermark'], array_keys(json_decode($asked[0]['body'], true)));
        } finally {
            $service->stop();
        }
    }

    public function testWordPressClockIsSetAgainWhenThePluginIsSwitchedOnAgain(): void
    {
        \MemberIntel\Plugin::deactivate();
        $this->assertFalse(wp_next_scheduled('memberintel_tick'));
        \MemberIntel\Plugin::activate();
        $this->assertNotFalse(wp_next_scheduled('memberintel_tick'));
        $this->assertSame('memberintel', wp_get_schedule('memberintel_tick'));
        \MemberIntel\Plugin::deactivate();
    }

    public function testAServiceThatIsAwayDelaysNobody(): void
    {
        $details = ['connection_id' => '0198c2de', 'tenant' => '', 'service' => 'http://127.0.0.1:9'];
        (new Keys())->put('mik_knock', Signature::secret(), $details, 1);
        $visit = new Visit();
        $this->world->txn(1);
        $began = microtime(true);
        $visit->end();
        $this->assertLessThan(1.5, microtime(true) - $began);
    }

    public function testWhatIsPrintedAroundAnAnswerDoesNotSpoilIt(): void
    {
        $file = getenv('MEMBERINTEL_TEST_SITE') . '/wp-content/mu-plugins/junk.php';
        file_put_contents($file, "\xEF\xBB\xBF<?php echo '<b>Notice</b>: junk {\"a\":1}'; flush();");
        try {
            $reply = $this->client->call('/sync/products');
        } finally {
            unlink($file);
        }
        $this->assertTrue($reply->signed, substr($reply->raw, 0, 300));
        $this->assertCount(2, $reply->rows());
    }

    public function testAPageStopsWhenTheTimeIsOverAndGoesOnFromThere(): void
    {
        global $wpdb;
        $wpdb->query("INSERT INTO {$wpdb->prefix}mepr_transactions (user_id, product_id, amount, created_at)
            SELECT 1, 1, 1, '2026-01-01' FROM $wpdb->options a, $wpdb->options b LIMIT 600");
        $db = new Database($wpdb);
        $entity = (new Entities($db, new MemberPress()))->get('transactions');
        $page = new Page(new State($db, new Meta($db)), new Budget(microtime(true) - 60, 8.0, -1));
        $first = $page->read($db, $entity, 0, 1000);
        $this->assertCount(250, $first['rows']);
        $this->assertTrue($first['more']);
        $second = $page->read($db, $entity, $first['next'], 1000);
        $this->assertSame([], array_intersect($first['rows'], $second['rows']));

        $full = new Page(new State($db, new Meta($db)), new Budget(microtime(true), 8.0, memory_get_usage() + 1024));
        $this->assertTrue($full->read($db, $entity, 0, 1000)['more'], 'half of the memory that is left is used up');
    }

    public function testASweepStopsWhenTheTimeIsOverAndTheRoundGoesOn(): void
    {
        $since = $this->upToDate();
        global $wpdb;
        $visit = new Visit();
        $visit->plugin->within(new Budget(microtime(true) - 60, 8.0, -1));
        $wpdb->insert($wpdb->prefix . 'mepr_events', ['event' => 'login', 'evt_id' => 1, 'evt_id_type' => 'users',
            'created_at' => '2026-01-01 00:00:00']);
        $rounds = [];
        $rows = [];
        do {
            $changes = $visit->plugin->changes()->since($since, 1000, true);
            $since = $changes['watermark'];
            $rounds[] = $changes['sweep']['round'];
            $rows = array_merge($rows, $changes['rows']);
        } while ($changes['more'] && count($rounds) < 50);
        $visit->end();
        $this->assertCount(1, array_unique($rounds), 'one round');
        $this->assertGreaterThan(3, count($rounds), 'in several requests');
        $this->assertStringContainsString('"entity":"events"', implode($rows));
    }

    public function testUninstallLeavesNothing(): void
    {
        global $wpdb;
        $this->client->call('/sync');
        update_user_meta(1, 'memberintel_notice', 'x');
        $visit = new Visit();
        if (!defined('WP_UNINSTALL_PLUGIN')) {
            define('WP_UNINSTALL_PLUGIN', 'memberintel/memberintel.php');
        }
        require WP_PLUGIN_DIR . '/memberintel/uninstall.php';
        $visit->end();
        $this->assertSame([], $wpdb->get_col("SHOW TABLES LIKE '{$wpdb->prefix}mi\\_%'"));
        $this->assertSame([], $wpdb->get_col("SELECT option_name FROM $wpdb->options WHERE option_name LIKE '%memberintel%'"));
        $this->assertSame([], $wpdb->get_col("SELECT meta_key FROM $wpdb->usermeta WHERE meta_key LIKE '%memberintel%'"));
        $this->assertStringNotContainsString('memberintel', (string) $wpdb->get_var(
            "SELECT option_value FROM $wpdb->options WHERE option_name = 'cron'"
        ));
    }
}
