<?php

namespace MemberIntel\Tests;

use MemberIntel\Budget;
use MemberIntel\Database;
use MemberIntel\Entities;
use MemberIntel\MemberPress;
use MemberIntel\Meta;
use MemberIntel\State;
use MemberIntel\Sweep;
use MemberPressFixture\Product;
use MemberPressFixture\Rule;
use MemberPressFixture\Subscription;
use MemberPressFixture\Transaction;

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
        $db = new Database($wpdb);
        $meta = new Meta($db);
        $entities = new Entities($db, new MemberPress());
        $sweep = new Sweep($db, $meta, new State($db, $meta), $entities, 10);
        $none = new Budget(microtime(true) - 60, 8.0, -1);
        $all = $entities->get('transactions');
        $this->upToDate();
        $last = (int) $wpdb->get_var("SELECT MAX(id) FROM {$wpdb->prefix}mepr_transactions");
        $wpdb->query("UPDATE {$wpdb->prefix}mepr_transactions SET trans_num = 'ch_bulk'");
        $before = $meta->number('seq');
        for ($i = 0; $i < 3; $i++) {
            $this->assertFalse($sweep->all($all, true, $none));
        }
        $number = "SELECT seq FROM {$wpdb->prefix}mi_state WHERE entity = {$all->code()} AND row_id = $last";
        $this->assertGreaterThan($before, (int) $wpdb->get_var($number), 'the last of 30 rows in three steps of ten');
        for ($i = 0; $i < 8 && !$sweep->all($all, false, $none); $i++) {
            $this->assertLessThan(7, $i, 'it never ends');
        }
        $this->assertNull($meta->get('all_' . $all->code()));
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
     * The operations of MemberPress, its add-ons and others, and what of it each must bring.
     *
     * @return iterable<string, array{callable(World): array<string, int[]>, 1?: array<string, int[]>, 2?: bool}>
     */
    public static function operations(): iterable
    {
        $sql = static function (string $statement): void {
            global $wpdb;
            $wpdb->query(str_replace('{p}', $wpdb->prefix, $statement));
        };
        yield 'a status through the model' => [static function (World $w): array {
            $txn = Transaction::find($w->ids['txn1']);
            $txn->status = 'failed';
            $txn->store();
            return ['transactions' => [$w->ids['txn1']]];
        }];
        yield 'a refund, and the confirmation that expires by SQL' => [static function (World $w): array {
            Transaction::find($w->ids['txn1'])->refund();
            return ['transactions' => [$w->ids['txn1'], $w->ids['confirm1']]];
        }];
        yield 'expire_txns of a subscription' => [static function (World $w): array {
            Subscription::find($w->ids['sub1'])->expireTransactions();
            return ['transactions' => [$w->ids['confirm1'], $w->ids['txn1'], $w->ids['next1']]];
        }];
        yield 'update_partial' => [static function (World $w): array {
            Transaction::find($w->ids['txn1'])->updatePartial(['trans_num' => 'ch_partial']);
            return ['transactions' => [$w->ids['txn1']]];
        }];
        yield 'update_meta' => [static function (World $w): array {
            Transaction::find($w->ids['txn1'])->updateMeta('_gift_status', 'claimed');
            return ['transactions' => [$w->ids['txn1']]];
        }];
        yield 'an update by another plugin' => [static function (World $w): array {
            global $wpdb;
            $wpdb->update($wpdb->prefix . 'mepr_transactions', ['total' => '31.00'], ['id' => $w->ids['txn1']]);
            return ['transactions' => [$w->ids['txn1']]];
        }];
        yield 'an insert by another plugin' => [static function (World $w): array {
            global $wpdb;
            $wpdb->insert($wpdb->prefix . 'mepr_transactions', ['user_id' => 1, 'product_id' => 1, 'amount' => '1.00',
                'created_at' => '2026-01-01 00:00:00']);
            return ['transactions' => [$wpdb->insert_id]];
        }];
        yield 'a bulk update by a condition' => [static function (World $w) use ($sql): array {
            $sql("UPDATE {p}mepr_transactions SET product_id = {$w->ids['life']} WHERE product_id = {$w->ids['adult']}
                AND trans_num LIKE 'ch\\_next\\_%'");
            return ['transactions' => array_map(static function (int $n) use ($w): int {
                return $w->ids["next$n"];
            }, range(1, 10))];
        }];
        yield 'a bulk update of all' => [static function (World $w) use ($sql): array {
            $sql("UPDATE {p}mepr_transactions SET gateway = 'manual'");
            $ids = [];
            foreach (['confirm', 'txn', 'next'] as $name) {
                foreach (range(1, 10) as $n) {
                    $ids[] = $w->ids["$name$n"];
                }
            }
            return ['transactions' => $ids];
        }];
        yield 'a delete by subscription' => [static function (World $w) use ($sql): array {
            $sql("DELETE FROM {p}mepr_transactions WHERE subscription_id = {$w->ids['sub1']}");
            return [];
        }, ['transactions' => ['confirm1', 'txn1', 'next1']]];
        yield 'a subscription destroyed with its transactions' => [static function (World $w): array {
            Subscription::find($w->ids['sub1'])->destroy();
            return [];
        }, ['transactions' => ['confirm1', 'txn1', 'next1'], 'subscriptions' => ['sub1']]];
        yield 'user meta' => [static function (World $w): array {
            update_user_meta($w->ids['user1'], 'first_name', 'Anna');
            return ['members' => [$w->ids['user1']]];
        }];
        yield 'a role' => [static function (World $w): array {
            (new \WP_User($w->ids['user1']))->set_role('editor');
            return ['members' => [$w->ids['user1']]];
        }];
        yield 'an e-mail address by SQL' => [static function (World $w): array {
            global $wpdb;
            $wpdb->update($wpdb->users, ['user_email' => 'new@lakeside.example'], ['ID' => $w->ids['user1']]);
            return ['members' => [$w->ids['user1']]];
        }];
        yield 'a price by meta alone' => [static function (World $w): array {
            update_post_meta($w->ids['adult'], '_mepr_product_price', '35.00');
            return ['products' => [$w->ids['adult']]];
        }];
        yield 'a product through the model' => [static function (World $w): array {
            Product::store($w->ids['adult'], 'Adult', ['_mepr_product_price' => '36.00']);
            return ['products' => [$w->ids['adult']]];
        }];
        yield 'a condition added, then all deleted' => [static function (World $w): array {
            Rule::condition($w->ids['rule'], 'member', '7');
            Rule::deleteAllConditions($w->ids['rule']);
            return ['rules' => [$w->ids['rule']]];
        }];
        yield 'a user deleted' => [static function (World $w): array {
            require_once ABSPATH . 'wp-admin/includes/user.php';
            wp_delete_user($w->ids['user1']);
            return ['transactions' => [$w->ids['confirm1'], $w->ids['txn1'], $w->ids['next1']],
                'subscriptions' => [$w->ids['sub1']]];
        }, ['members' => ['user1']]];
        yield 'a product deleted in the admin' => [static function (World $w): array {
            $GLOBALS['current_screen'] = new class {
                public function in_admin(): bool // phpcs:ignore PSR1.Methods.CamelCapsMethodName -- WordPress' name
                {
                    return true;
                }
            };
            wp_delete_post($w->ids['adult'], true);
            unset($GLOBALS['current_screen']);
            $ids = [];
            foreach (['confirm', 'txn', 'next'] as $name) {
                foreach (range(1, 10) as $n) {
                    $ids[] = $w->ids["$name$n"];
                }
            }
            return ['transactions' => $ids];
        }, ['products' => ['adult']]];
    }

    /**
     * @dataProvider operations
     * @param callable(World): array<string, int[]> $operation
     * @param array<string, string[]> $gone
     */
    public function testAnOperationIsToldByTheSweep(callable $operation, array $gone = []): void
    {
        global $wpdb;
        $since = $this->upToDate();
        $changed = $operation($this->world);
        $wpdb->query("DELETE FROM {$wpdb->prefix}mi_dirty");
        $this->assertTold($changed, $gone, $this->client->changes($since));
    }

    /**
     * @dataProvider operations
     * @param callable(World): array<string, int[]> $operation
     * @param array<string, string[]> $gone
     */
    public function testAnOperationIsToldByItsMarksAlone(callable $operation, array $gone = []): void
    {
        $since = $this->upToDate();
        $capture = new Visit();
        $changed = $operation($this->world);
        $capture->end();
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
            ['transactions' => ['txn2']],
            $this->client->changes($since)
        );
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

    /** @param array<int, mixed> $rows @return array<int, mixed> */
    private function sorted(array $rows): array
    {
        ksort($rows);
        return $rows;
    }

    /**
     * @param array<string, int[]> $changed
     * @param array<string, string[]> $gone names in the world
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
        foreach ($gone as $entity => $names) {
            $ids = array_map(function (string $name): int {
                return $this->world->ids[$name];
            }, $names);
            $this->assertSame([], array_diff($ids, $told['deleted'][$entity] ?? []), "$entity that are not told as gone");
        }
    }
}
