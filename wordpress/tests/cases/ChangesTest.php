<?php

namespace MemberIntel\Tests;

use MemberIntel\Budget;
use MemberIntel\Database;
use MemberIntel\Entities;
use MemberIntel\MemberPress;
use MemberIntel\Meta;
use MemberIntel\Span;
use MemberIntel\State;
use MemberIntel\Sweep;

/** Whatever writes a change, it is told: by a mark where a hook or the query watch saw it, else by the sweep. */
final class ChangesTest extends SiteTestCase
{
    public function testNothingIsToldAgain(): void
    {
        $since = $this->upToDate();
        $changes = $this->client->changes($since);
        $this->assertSame([[], []], [array_filter($changes['rows']), array_filter($changes['deleted'])]);
    }

    public function testAFirstChangesAfterAFullPassTellsOnlyWhatIsNew(): void
    {
        $since = $this->client->call('/sync')->json['watermark'];
        foreach (['members', 'transactions', 'subscriptions', 'products', 'rules', 'events'] as $entity) {
            $this->client->all($entity);
        }
        $this->world->txn(1, ['trans_num' => 'ch_new']);
        $rows = array_filter($this->client->changes($since)['rows']);
        $this->assertSame(['transactions'], array_keys($rows));
        $this->assertSame(['ch_new'], array_column($rows['transactions'], 'trans_num'));
    }

    /** However often a bulk change marks everything, each row is looked at, and it ends when the marks do. */
    public function testALookAtAllRowsIsNotBegunAnewForEver(): void
    {
        global $wpdb;
        [$meta, $entities, $sweep, $none] = $this->smallSweep();
        $all = $entities->get('transactions');
        $this->upToDate();
        $last = (int) $wpdb->get_var("SELECT MAX(id) FROM {$wpdb->prefix}mepr_transactions");
        $wpdb->query("UPDATE {$wpdb->prefix}mepr_transactions SET trans_num = 'ch_bulk'");
        $before = $meta->number('seq');
        for ($i = 0; $i < 3; $i++) {
            $sweep->owe($all);
            $this->assertFalse($sweep->all($all, $none));
        }
        $number = "SELECT seq FROM {$wpdb->prefix}mi_state WHERE entity = {$all->code()} AND row_id = $last";
        $this->assertGreaterThan($before, (int) $wpdb->get_var($number), 'the last of 30 rows in three steps of ten');
        for ($i = 0; $i < 8 && !$sweep->all($all, $none); $i++) {
            $this->assertLessThan(7, $i, 'it never ends');
        }
        $this->assertNull($meta->get('all_' . $all->code()));
    }

    /** Wherever PHP is killed, the round that goes on has looked at every row in the end. */
    public function testARoundThatWasCutOffLeavesNothingOut(): void
    {
        global $wpdb;
        [$meta, $entities, $sweep, $none] = $this->smallSweep();
        $some = $entities->chosen(['members', 'transactions']);
        $this->upToDate();
        $left = 0;
        $kill = static function (string $sql) use (&$left): string {
            if (strpos($sql, 'sweep_') !== false && strpos($sql, 'INSERT') === 0 && $left-- === 1) {
                throw new \RuntimeException('killed');
            }
            return $sql;
        };
        add_filter('query', $kill);
        for ($n = 1; $left <= 0; $n++) {
            $before = $meta->number('seq');
            $rows = $wpdb->query("UPDATE {$wpdb->prefix}mepr_transactions SET trans_num = 'ch_cut_$n'");
            $left = 0;
            $sweep->begin($some);
            $left = $n;
            for ($i = 0, $done = false; !$done; $i++) {
                $this->assertLessThan(200, $i, 'it never ends');
                try {
                    $done = $sweep->proceed($none);
                } catch (\RuntimeException $killed) {
                    $this->assertSame('killed', $killed->getMessage());
                }
            }
            $told = "SELECT COUNT(*) FROM {$wpdb->prefix}mi_state WHERE entity = 2 AND seq > $before";
            $this->assertSame($rows, (int) $wpdb->get_var($told), "killed before its write number $n");
        }
        remove_filter('query', $kill);
        $this->assertGreaterThan(5, $n);
    }

    public function testARowThatAPageShowedFirstIsToldToWhomeverFollowsTheChanges(): void
    {
        $since = $this->upToDate();
        $id = $this->world->txn(1, ['trans_num' => 'ch_between']);
        $this->client->all('transactions'); // a verification, or a full pass that was broken off
        $rows = array_filter($this->client->changes($since)['rows']);
        $this->assertSame([$id], array_column($rows['transactions'] ?? [], 'id'));
    }

    public function testARowThatOnlyAPageShowedIsToldWhenItIsGone(): void
    {
        global $wpdb;
        $since = $this->upToDate();
        $id = $this->world->txn(1, ['trans_num' => 'ch_brief']);
        $this->client->all('transactions');
        $wpdb->query("DELETE FROM {$wpdb->prefix}mepr_transactions WHERE id = $id");
        $this->assertSame([$id], array_values($this->client->changes($since)['deleted']['transactions'] ?? []));
    }

    /**
     * @dataProvider MemberIntel\Tests\Operations::all
     * @param callable(World, int): array<string, int[]> $operation
     * @param array<string, string[]> $gone
     */
    public function testAnOperationIsToldByTheSweep(callable $operation, array $gone = []): void
    {
        global $wpdb;
        $since = $this->upToDate();
        $changed = $operation($this->world, 1);
        $wpdb->query("DELETE FROM {$wpdb->prefix}mi_dirty");
        $this->assertTold($changed, Operations::gone($this->world, 1, $gone), $this->client->changes($since));
    }

    /**
     * @dataProvider MemberIntel\Tests\Operations::all
     * @param callable(World, int): array<string, int[]> $operation
     * @param array<string, string[]> $gone
     */
    public function testAnOperationIsToldByItsMarksAlone(callable $operation, array $gone = []): void
    {
        $since = $this->upToDate();
        $capture = new Visit();
        $changed = $operation($this->world, 1);
        $capture->end();
        $gone = Operations::gone($this->world, 1, $gone);
        $this->assertTold($changed, $gone, $this->client->changes($since, 1000, false));
    }

    public function testWritesPastWordPressAreToldByTheSweep(): void
    {
        $since = $this->upToDate();
        $other = new \mysqli('localhost', DB_USER, DB_PASSWORD, DB_NAME, 0, substr(DB_HOST, strlen('localhost:')));
        $ids = $this->world->ids;
        $other->query("UPDATE wp_mepr_transactions SET status = 'refunded' WHERE id = {$ids['txn1']}");
        $other->query("DELETE FROM wp_mepr_transactions WHERE id = {$ids['txn2']}");
        $other->query("INSERT INTO wp_mepr_transaction_meta (transaction_id, meta_key, meta_value) VALUES ({$ids['txn3']}, 'a', 'b')");
        $other->query("UPDATE wp_mepr_rule_access_conditions SET access_condition = '9' WHERE rule_id = {$ids['rule']}");
        $other->query("UPDATE wp_usermeta SET meta_value = 'X' WHERE user_id = {$ids['user4']} AND meta_key = 'last_name'");
        $other->query("UPDATE wp_postmeta SET meta_value = '99' WHERE post_id = {$ids['life']} AND meta_key = '_mepr_product_price'");
        $this->assertTold(
            ['transactions' => [$ids['txn1'], $ids['txn3']], 'rules' => [$ids['rule']], 'members' => [$ids['user4']],
                'products' => [$ids['life']]],
            ['transactions' => [$ids['txn2']]],
            $this->client->changes($since)
        );
    }

    public function testWhatTwoRowsExchangeIsToldByTheSweep(): void
    {
        global $wpdb;
        $wpdb->insert($wpdb->users, ['ID' => 1000000, 'user_login' => 'far']); // so that the others are one part of the chunk
        $since = $this->upToDate();
        [$one, $two] = [$this->world->ids['user4'], $this->world->ids['user5']];
        foreach (['users' => 'ID', 'usermeta' => 'user_id', 'mepr_members' => 'user_id'] as $table => $id) {
            foreach ([[$one, 999999], [$two, $one], [999999, $two]] as [$from, $to]) {
                $wpdb->query("UPDATE {$wpdb->prefix}$table SET $id = $to WHERE $id = $from");
            }
        }
        $wpdb->query("DELETE FROM {$wpdb->prefix}mi_dirty");
        $this->assertTold(['members' => [$one, $two]], [], $this->client->changes($since));
    }

    /** A range's meta is read in its own order where it lies close together, else as that of a list of ids is. */
    public function testAHashIsTheSameHoweverItsMetaIsRead(): void
    {
        global $wpdb;
        $db = new Database($wpdb);
        $members = (new Entities($db, new MemberPress()))->get('members');
        $ids = $members->idsAfter(1, 100);
        $hashes = static function (Span $span) use ($db, $members): array {
            return array_column($db->rows($members->hashes($span)), 'hash', 'id');
        };
        $close = $hashes(Span::ids($ids));
        $this->assertCount(count($ids), $close);
        $this->assertEquals($close, $hashes(Span::range(1, PHP_INT_MAX)));
        foreach ([[$ids[0], 'last_name', 9], [1, 'last_name', 5], [$ids[1], 'not_told', 7]] as [$user, $key, $far]) {
            $meta = ['umeta_id' => $far * 1000000, 'user_id' => $user, 'meta_key' => $key, 'meta_value' => 'far'];
            $wpdb->insert($wpdb->usermeta, $meta);
        }
        $apart = $hashes(Span::ids($ids));
        $this->assertSame([$ids[0]], array_keys(array_diff_assoc($apart, $close)));
        $this->assertEquals($apart, $hashes(Span::range(1, PHP_INT_MAX)));
    }

    public function testChangesArePagedInOrderWithoutLoss(): void
    {
        $since = $this->upToDate();
        global $wpdb;
        $wpdb->query("UPDATE {$wpdb->prefix}mepr_transactions SET gateway = 'manual'");
        $wpdb->query("DELETE FROM {$wpdb->prefix}mepr_transactions WHERE id = {$this->world->ids['txn5']}");
        $changes = $this->client->changes($since, 4);
        $this->assertCount(29, $changes['rows']['transactions']);
        $this->assertSame([$this->world->ids['txn5']], array_values($changes['deleted']['transactions']));
        $this->assertGreaterThanOrEqual(8, $changes['requests']);
        $this->assertSame($this->client->all('transactions'), $this->sorted($changes['rows']['transactions']));
    }

    public function testAReaderIsToldOfTheEntitiesThatItNamesAlone(): void
    {
        global $wpdb;
        $since = $this->client->call('/sync')->json['watermark'];
        $this->client->all('transactions');
        $id = $this->world->txn(1, ['trans_num' => 'ch_asked']);
        $some = $this->client->changes($since, 1000, true, 'transactions,wombats');
        $this->assertSame(['transactions'], array_keys(array_filter($some['rows'])));
        $this->assertSame([$id], array_keys($some['rows']['transactions']));
        $kinds = $wpdb->get_col("SELECT DISTINCT entity FROM {$wpdb->prefix}mi_state");
        $this->assertSame(['2'], $kinds, 'what nobody asked for is not looked at');
        $this->assertRefused(410, 'mi_resync_required', $this->client->call('/sync/changes', [
            'since' => $some['watermark'],
            'entities' => 'members,transactions',
        ]), true);
        $this->assertRefused(410, 'mi_resync_required', $this->client->call('/sync/changes', ['since' => $some['watermark']]), true);
        $all = $this->client->changes($since);
        $this->assertArrayHasKey($id, $all['rows']['transactions']);
        $this->assertNotEmpty($all['rows']['members']);
        $this->assertSame([], array_filter($this->client->changes($all['watermark'], 1000, true, 'members')['rows']));
        $bad = $this->client->call('/sync/changes', ['since' => $since, 'entities' => 'members;transactions']);
        $this->assertRefused(400, 'mi_bad_request', $bad, true);
    }

    public function testAMarkForAllRowsOfAKindThatIsNotAskedForWaits(): void
    {
        global $wpdb;
        $since = $this->upToDate();
        $wpdb->query("UPDATE {$wpdb->prefix}mepr_transactions SET gateway = 'manual'");
        $wpdb->query("INSERT INTO {$wpdb->prefix}mi_dirty VALUES (1, 2, 0)");
        $this->assertSame([], array_filter($this->client->changes($since, 1000, false, 'members')['rows']));
        $this->assertSame([], array_filter($this->client->changes($since, 1000, true, 'members')['rows']));
        $this->assertNull($wpdb->get_var("SELECT 1 FROM {$wpdb->prefix}mi_dirty"), 'nobody knocks for what nobody asks for');
        $this->assertCount(30, $this->client->changes($since, 1000, false)['rows']['transactions']);
    }

    public function testARowThatComesBackLivesAgain(): void
    {
        global $wpdb;
        $since = $this->upToDate();
        $id = $this->world->ids['txn1'];
        $row = $wpdb->get_row("SELECT * FROM {$wpdb->prefix}mepr_transactions WHERE id = $id", ARRAY_A);
        $wpdb->delete($wpdb->prefix . 'mepr_transactions', ['id' => $id]);
        $gone = $this->client->changes($since);
        $this->assertSame([$id], array_values($gone['deleted']['transactions']));
        $wpdb->insert($wpdb->prefix . 'mepr_transactions', $row);
        $this->assertSame([$id], array_keys($this->client->changes($gone['watermark'])['rows']['transactions']));
    }

    public function testATimeIsTakenInsteadOfAWatermark(): void
    {
        global $wpdb;
        $this->upToDate();
        $wpdb->query("UPDATE {$wpdb->prefix}mi_meta SET value = value - 7200 WHERE name = 'baseline_at'");
        $wpdb->query("UPDATE {$wpdb->prefix}mi_state SET changed_at = changed_at - INTERVAL 1 HOUR");
        $wpdb->update($wpdb->prefix . 'mepr_transactions', ['total' => '1.00'], ['id' => $this->world->ids['txn1']]);
        $this->client->changes($this->client->call('/sync')->json['watermark']);
        $changes = $this->client->changes(gmdate('Y-m-d\TH:i:s\Z', time() - 600));
        $this->assertSame([$this->world->ids['txn1']], array_keys($changes['rows']['transactions']));
        $same = $this->client->changes(wp_date('Y-m-d\TH:i:sP', time() - 600));
        $this->assertSame($changes['rows'], $same['rows']);
        $before = $this->client->call('/sync/changes', ['since' => gmdate('Y-m-d\TH:i:s\Z', time() - 86400)]);
        $this->assertRefused(410, 'mi_resync_required', $before, true);
    }

    public function testAnotherCurrencyChangesEveryAmount(): void
    {
        $since = $this->upToDate();
        update_option('mepr_options', ['currency_code' => 'EUR'] + get_option('mepr_options'));
        $rows = $this->client->changes($since)['rows'];
        $this->assertCount(30, $rows['transactions']);
        $this->assertSame(['EUR'], array_values(array_unique(array_column($rows['transactions'], 'currency'))));
        $this->assertCount(2, $rows['products']);
    }

    /** @return array{Meta, Entities, Sweep, Budget} a sweep in steps of ten rows, what it works on, and a budget that is spent */
    private function smallSweep(): array
    {
        global $wpdb;
        $db = new Database($wpdb);
        $meta = new Meta($db);
        $entities = new Entities($db, new MemberPress());
        $sweep = new Sweep($db, $meta, new State($db, $meta), $entities, 10);
        return [$meta, $entities, $sweep, new Budget(microtime(true) - 60, 8.0, -1)];
    }

    /** @param array<int, mixed> $rows @return array<int, mixed> */
    private function sorted(array $rows): array
    {
        ksort($rows);
        return $rows;
    }

    /**
     * @param array<string, int[]> $changed
     * @param array<string, int[]> $gone
     * @param array<string, mixed> $told
     */
    private function assertTold(array $changed, array $gone, array $told): void
    {
        foreach ($changed as $entity => $ids) {
            $this->assertSame([], array_diff($ids, array_keys($told['rows'][$entity] ?? [])), "$entity that are missing");
            $now = $this->client->all($entity);
            foreach ($told['rows'][$entity] as $id => $row) {
                $this->assertSame($now[$id], $row);
            }
        }
        foreach ($gone as $entity => $ids) {
            $this->assertSame([], array_diff($ids, $told['deleted'][$entity] ?? []), "$entity that are not told as gone");
        }
    }
}
