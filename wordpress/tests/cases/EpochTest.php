<?php

namespace MemberIntel\Tests;

use MemberIntel\Database;
use MemberIntel\Epoch;
use MemberIntel\Keys;
use MemberIntel\Marks;
use MemberIntel\Meta;
use MemberIntel\Schema;

/** When what a reader knows no longer counts, it is told so. */
final class EpochTest extends SiteTestCase
{
    public function testARestoredBackupIsFoundOut(): void
    {
        global $wpdb;
        $this->upToDate();
        foreach (['mi_meta', 'mi_state', 'mepr_transactions'] as $table) {
            $wpdb->query("DROP TABLE IF EXISTS backup_$table");
            $wpdb->query("CREATE TABLE backup_$table AS SELECT * FROM {$wpdb->prefix}$table");
        }
        $later = $this->client->changes($this->client->call('/sync')->json['watermark'])['watermark'];
        foreach (['mi_meta', 'mi_state', 'mepr_transactions'] as $table) {
            $wpdb->query("DELETE FROM {$wpdb->prefix}$table");
            $wpdb->query("INSERT INTO {$wpdb->prefix}$table SELECT * FROM backup_$table");
            $wpdb->query("DROP TABLE backup_$table");
        }
        for ($i = 0; $i < 3; $i++) { // syncs that come no further than this must not hide it
            $this->client->call('/sync');
        }
        $this->assertResync('ahead', $later);
        $this->assertResync('epoch', $later);
    }

    public function testNewTablesMeanANewEpoch(): void
    {
        global $wpdb;
        $since = $this->upToDate();
        $before = $this->client->call('/sync')->json['epoch'];
        $wpdb->query("DROP TABLE {$wpdb->prefix}mi_state, {$wpdb->prefix}mi_meta");
        (new Schema(new Database($wpdb)))->create();
        $this->assertResync('epoch', $since);
        $this->assertNotSame($before, $this->client->call('/sync')->json['epoch']);
    }

    public function testAnotherDatabaseOrPrefixMeansANewEpoch(): void
    {
        $since = $this->upToDate();
        $this->meta()->set('fingerprint', hash('sha256', 'other|wp_'));
        $this->assertResync('epoch', $since);
    }

    /** A checkout that has left a mark and not committed yet is neither waited for nor kept waiting. */
    public function testForgettingEverythingWaitsForNobody(): void
    {
        global $wpdb;
        $since = $this->upToDate();
        $checkout = new \wpdb(DB_USER, DB_PASSWORD, DB_NAME, DB_HOST);
        $marks = $wpdb->prefix . 'mi_dirty';
        foreach ([$wpdb, $checkout] as $side) {
            $side->query('SET SESSION innodb_lock_wait_timeout = 1');
        }
        $wpdb->query("INSERT INTO $marks (id, entity, row_id) SELECT seq, 2, seq FROM seq_1_to_12000");
        $checkout->query('START TRANSACTION');
        $checkout->query("INSERT INTO $marks (id, entity, row_id) VALUES (6000000, 2, 1)");
        $db = new Database($wpdb);
        (new Marks($db))->trim(12000);
        $this->assertSame('12000', $wpdb->get_var("SELECT COUNT(*) FROM $marks"), 'not too many yet');
        (new Marks($db))->trim(11999);
        $this->assertSame('0', $wpdb->get_var("SELECT COUNT(*) FROM $marks"));
        (new Epoch($db, $this->meta()))->renew();
        $this->assertSame(1, $checkout->query("INSERT INTO $marks (id, entity, row_id) VALUES (7000000, 2, 2)"));
        $checkout->query('COMMIT');
        $this->assertSame('2', $wpdb->get_var("SELECT COUNT(*) FROM $marks"));
        $this->assertResync('epoch', $since);
        $wpdb->query('SET SESSION innodb_lock_wait_timeout = DEFAULT');
    }

    /** More than one statement takes. */
    public function testAnEpochLeavesNothingOfTheOneBefore(): void
    {
        global $wpdb;
        $state = $wpdb->prefix . 'mi_state';
        $wpdb->query("INSERT INTO $state (entity, row_id, hash) SELECT 9, seq, 'hash' FROM seq_1_to_10001");
        (new Epoch(new Database($wpdb), $this->meta()))->renew();
        $this->assertSame('0', $wpdb->get_var("SELECT COUNT(*) FROM $state"));
    }

    public function testAForgedWatermarkIsNotBelieved(): void
    {
        $since = $this->upToDate();
        [$v, $payload, $mac] = explode('.', $since);
        $inside = json_decode((string) base64_decode($payload), true);
        $forged = rtrim(strtr(base64_encode((string) json_encode(['s' => 0] + $inside)), '+/', '-_'), '=');
        $this->assertResync('epoch', "$v.$forged.$mac");
    }

    public function testTombstonesOfLongAgoAreDroppedAndOldWatermarksRefused(): void
    {
        global $wpdb;
        $old = $this->upToDate();
        $wpdb->delete($wpdb->prefix . 'mepr_transactions', ['id' => $this->world->ids['txn1']]);
        $new = $this->client->changes($old)['watermark'];
        $wpdb->query("UPDATE {$wpdb->prefix}mi_state SET changed_at = UTC_TIMESTAMP() - INTERVAL 91 DAY WHERE deleted = 1");
        $visit = new Visit();
        $visit->plugin->knock()->tick();
        $visit->end();
        $this->assertResync('pruned', $old);
        $this->assertSame(200, $this->client->call('/sync/changes', ['since' => $new])->status);
    }

    public function testACopyTellsNothingUntilSomebodySaysWhatItIs(): void
    {
        $this->upToDate();
        $browser = $this->moveAway();
        $reply = $this->client->call('/sync');
        $this->assertRefused(403, 'mi_site_moved', $reply, true);
        $this->assertSame($this->client->url, $reply->json['data']['home_url']);
        $this->assertStringContainsString('is this a copy', $browser->screen()->html);

        $browser->press('moved');
        $this->assertSame(200, $this->client->call('/sync')->status, 'it has moved');

        $before = Epoch::siteId();
        $this->moveAway()->screen()->press('copy');
        $this->assertRefused(401, 'mi_auth_revoked', $this->client->call('/sync'), false);
        wp_cache_flush();
        $this->assertNotSame($before, Epoch::siteId());
    }

    public function testACopyNotesNothingAndDoesNotKnock(): void
    {
        $this->moveAway();
        $visit = new Visit();
        $this->world->txn(1);
        $visit->end();
        global $wpdb;
        $this->assertSame('0', $wpdb->get_var("SELECT COUNT(*) FROM {$wpdb->prefix}mi_dirty"));
    }

    private function moveAway(): Browser
    {
        wp_cache_flush();
        $stored = get_option('memberintel_connection');
        update_option('memberintel_connection', ['home' => hash('sha256', 'lakeside.example')] + $stored);
        $this->assertTrue((new Keys())->moved());
        return new Browser();
    }

    private function assertResync(string $reason, string $since): void
    {
        $reply = $this->client->call('/sync/changes', ['since' => $since]);
        $this->assertRefused(410, 'mi_resync_required', $reply, true);
        $this->assertSame($reason, $reply->json['data']['reason']);
    }

    private function meta(): Meta
    {
        global $wpdb;
        return new Meta(new Database($wpdb));
    }
}
