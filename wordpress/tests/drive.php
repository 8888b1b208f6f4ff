<?php

/**
 * Does to the site that `site start` made what people and programs would, one step a call, and tells as JSON what came of
 * it: php drive.php STEP [ARGUMENT]. The service's own test drives the site with it.
 *
 *   seed N      a club of the N-th part of seed.sql's, with one of each special case of MemberPress; N = 1: that alone
 *   second      a club on the second site of a network, and somebody who is a member of the first alone
 *   connect     makes a key and tells it
 *   operations  the names of Operations
 *   operation NAME N   does one of Operations to the n-th member of the club, and tells the ids of what changed and is gone
 *   change      what hooks and the query watch see, and tells the ids of what is gone
 *   sql         the same kinds of writes past WordPress
 *   plain N     a club of N transactions and nothing else, for writer.php to write to
 *   writing     waits until all three writers have written
 *   truth       the transactions as they stand in the table: id, cents, member, number
 *   some        a hundred transactions past WordPress
 *   backup      keeps the tables as they are now, to be brought back by restore
 *   reinstall   takes the plugin's own tables away, and a transaction with them
 *   host NAME   makes the site one of those of Host::CODE, or with `open` a site like any other again
 *   export N    reads all that the service mirrors, in pages of N, and the changes since twice, and tells how long each took
 *   revoke      ends the connection
 */

namespace MemberIntel\Tests;

use MemberIntel\Database;
use MemberIntel\Keys;
use MemberIntel\Schema;
use MemberPressFixture\Product;
use MemberPressFixture\Subscription;
use MemberPressFixture\Transaction;

require __DIR__ . '/bootstrap.php';

const KEPT = ['mi_meta', 'mi_state', 'mepr_transactions'];

$step = $argv[1] ?? '';
$argument = (int) ($argv[2] ?? 0);
$past = new \mysqli('localhost', DB_USER, DB_PASSWORD, DB_NAME, 0, substr(DB_HOST, strlen('localhost:')));

/** The ids in the order in which the statement tells them. */
$ids = static function (string $sql) use ($past): array {
    return array_map('intval', array_column($past->query($sql)->fetch_all(), 0));
};

$run = static function (string $sql) use ($past): void {
    $past->multi_query($sql);
    while ($past->next_result()) {
        $past->use_result();
    }
};

$seed = static function (int $part) use ($run): void {
    World::clear();
    foreach (['users', 'mepr_transactions', 'mepr_subscriptions'] as $table) {
        $run("ALTER TABLE wp_$table AUTO_INCREMENT = 1");
    }
    if ($part <= 1) {
        $run((string) file_get_contents(__DIR__ . '/seed.sql'));
        return;
    }
    $world = World::club();
    $world->keep();
    // Far from the club's ids, and with other names.
    $run(preg_replace_callback_array([
        "/'member', seq/" => static fn (): string => "'crowd', seq",
        '/seq_1_to_(\d+)/' => static fn (array $is): string => 'seq_1_to_' . intdiv((int) $is[1], $part),
        '/seq % (\d+)/' => static fn (array $is): string => 'seq % ' . intdiv((int) $is[1], $part),
        '/\b(999|1000) \+/' => static fn (array $is): string => (900000 + (int) $is[1]) . ' +',
    ], (string) file_get_contents(__DIR__ . '/seed.sql')));
    $world->txn(1, ['trans_num' => 'ch_refunded', 'status' => 'refunded', 'refunded_at' => '2026-03-01 10:00:00']);
    $world->txn(1, ['trans_num' => 'ch_pending', 'status' => 'pending', 'subscription_id' => 0]);
    $world->txn(1, ['trans_num' => 'ch_failed', 'status' => 'failed', 'expires_at' => null]);
    $world->txn(2, ['trans_num' => 'life', 'product_id' => $world->ids['life'], 'expires_at' => '0000-00-00 00:00:00']);
    $world->txn(3, ['trans_num' => 'taxed', 'amount' => '29.00', 'total' => '31.32', 'tax_amount' => '2.32',
        'tax_rate' => '8.000', 'tax_desc' => 'State tax', 'coupon_id' => 77, 'order_id' => 5, 'prorated' => 1]);
    $world->txn(4, ['txn_type' => 'fallback', 'trans_num' => 'fallback', 'amount' => '0.00', 'total' => '0.00']);
    $world->txn(5, ['txn_type' => 'sub_account', 'trans_num' => 'below', 'amount' => '0.00', 'total' => '0.00',
        'parent_transaction_id' => $world->ids['txn1'], 'corporate_account_id' => 3]);
    $gift = $world->txn(6, ['trans_num' => 'gift', 'subscription_id' => 0]);
    $meta = ['_is_gift_complete' => '1', '_gift_status' => 'unclaimed', '_gifter_id' => (string) $world->ids['user6']];
    foreach ($meta as $key => $is) {
        Transaction::find($gift)->updateMeta($key, $is);
    }
    (new Transaction(['user_id' => 0, 'product_id' => 0, 'amount' => '1.00', 'total' => '1.00', 'trans_num' => "\u{1F3BE} of nobody",
        'created_at' => '2026-01-01 10:00:00', 'expires_at' => '2026-02-01 10:00:00']))->store();
    foreach (['cancelled', 'suspended', 'pending'] as $n => $status) {
        (new Subscription(['user_id' => $world->ids['user' . ($n + 7)], 'product_id' => $world->ids['adult'], 'price' => '10.00',
            'status' => $status, 'trial' => 1, 'trial_days' => 14, 'period' => 1, 'period_type' => 'years', 'gateway' => 'manual',
            'created_at' => '2026-02-01 10:00:00', 'total' => '10.00']))->store();
    }
    $stopped = Subscription::find($world->ids['sub10']);
    $stopped->cancel();
    wp_update_user(['ID' => $world->ids['user9'], 'first_name' => "Zo\u{EB} \u{1F3BE}", 'last_name' => '']);
    update_user_meta($world->ids['user9'], 'mepr_play_days', ['monday' => 'on', 'friday' => 'on']);
    update_user_meta($world->ids['user9'], 'mepr_courts', ['1', '3']);
    update_user_meta($world->ids['user9'], 'mepr_member_number', '');
    wp_trash_post(Product::store(0, 'Juniors, gone', ['_mepr_product_price' => '5.00', '_mepr_product_period' => '1',
        '_mepr_product_period_type' => 'weeks']));
};

$steps = [
    'seed' => static function () use ($seed, $argument): array {
        ob_start();
        $seed(max(1, $argument));
        ob_end_clean();
        return [];
    },
    'second' => static function (): array {
        $world = World::club();
        switch_to_blog(1);
        $neighbour = $world->user('neighbour');
        restore_current_blog();
        return ['changed' => ['members' => [$neighbour]]];
    },
    'connect' => static function (): array {
        $client = World::connect();
        return ['key_id' => $client->keyId, 'secret' => $client->secret];
    },
    'operations' => static function (): array {
        return ['names' => array_keys(iterator_to_array(Operations::all()))];
    },
    'operation' => static function () use ($argv): array {
        $world = World::kept();
        $n = (int) ($argv[3] ?? 0);
        [$operation, $gone] = iterator_to_array(Operations::all())[$argv[2] ?? ''] + [1 => []];
        return ['changed' => (object) $operation($world, $n), 'gone' => (object) Operations::gone($world, $n, $gone)];
    },
    'change' => static function () use ($ids): array {
        [$refunded, $deleted, $partial] = $ids('SELECT id FROM wp_mepr_transactions WHERE trans_num LIKE "ch\_next\_%" ORDER BY id');
        [$named, $promoted, , $gone] = $ids('SELECT ID FROM wp_users WHERE user_login LIKE "member%" AND ID < 900000 ORDER BY ID');
        [$adult] = $ids('SELECT ID FROM wp_posts WHERE post_type = "memberpressproduct" ORDER BY ID');
        [$destroyed] = $ids('SELECT id FROM wp_mepr_subscriptions WHERE subscr_id = "sub_8"');
        Transaction::find($refunded)->refund();
        Transaction::find($deleted)->destroy();
        Transaction::find($partial)->updatePartial(['trans_num' => 'ch_partial']);
        update_user_meta($named, 'first_name', 'Anna');
        (new \WP_User($promoted))->set_role('editor');
        update_post_meta($adult, '_mepr_product_price', '35.00');
        Subscription::find($destroyed)->destroy();
        require_once ABSPATH . 'wp-admin/includes/user.php';
        wp_delete_user($gone);
        return ['gone' => ['transactions' => [$deleted], 'members' => [$gone], 'subscriptions' => [$destroyed]]];
    },
    'sql' => static function () use ($ids, $run): array {
        [$changed, $deleted] = $ids('SELECT id FROM wp_mepr_transactions WHERE id > 901000 ORDER BY id');
        [$mailed, $named] = $ids('SELECT ID FROM wp_users WHERE ID > 900000 ORDER BY ID');
        [$rule] = $ids('SELECT ID FROM wp_posts WHERE post_type = "memberpressrule" ORDER BY ID');
        $run("UPDATE wp_mepr_transactions SET status = 'refunded' WHERE id = $changed;
            DELETE FROM wp_mepr_transactions WHERE id = $deleted;
            UPDATE wp_users SET user_email = 'new@lakeside.example' WHERE ID = $mailed;
            UPDATE wp_usermeta SET meta_value = 'Nowak' WHERE user_id = $named AND meta_key = 'last_name';
            UPDATE wp_mepr_rule_access_conditions SET access_condition = '9' WHERE rule_id = $rule;
            INSERT INTO wp_mepr_transactions (user_id, product_id, amount, total, status, trans_num, created_at, expires_at)
                VALUES ($mailed, 1, 7, 7, 'complete', 'by-hand', '2026-03-01', NULL)");
        return ['gone' => ['transactions' => [$deleted]]];
    },
    'plain' => static function () use ($argument, $run): array {
        World::clear();
        $run("INSERT INTO wp_mepr_transactions (id, user_id, product_id, amount, total, created_at)
            SELECT seq, 1 + seq % 9, 1, 1, seq % 50, '2026-01-01' FROM seq_1_to_$argument");
        return [];
    },
    'writing' => static function () use ($ids): array {
        $sql = "SELECT COUNT(DISTINCT SUBSTRING_INDEX(trans_num, '-', 2)) FROM wp_mepr_transactions WHERE trans_num LIKE 'set-%'";
        for ($i = 0; $ids($sql) !== [3]; $i++) {
            if ($i > 300) {
                throw new \RuntimeException('the writers do not write');
            }
            usleep(100000);
        }
        return [];
    },
    'truth' => static function () use ($past): array {
        return ['names' => array_column($past->query("SELECT CONCAT_WS(' ', id, ROUND(total * 100), user_id, COALESCE(trans_num, ''))
            FROM wp_mepr_transactions ORDER BY id")->fetch_all(), 0)];
    },
    'some' => static function () use ($run): array {
        $run('UPDATE wp_mepr_transactions SET total = total + 1 WHERE id % 2000 = 0');
        return [];
    },
    'backup' => static function () use ($run): array {
        foreach (KEPT as $table) {
            $run("DROP TABLE IF EXISTS backup_$table; CREATE TABLE backup_$table AS SELECT * FROM wp_$table");
        }
        return [];
    },
    'restore' => static function () use ($run): array {
        foreach (KEPT as $table) {
            $run("DELETE FROM wp_$table; INSERT INTO wp_$table SELECT * FROM backup_$table; DROP TABLE backup_$table");
        }
        return [];
    },
    'reinstall' => static function () use ($ids, $run): array {
        [$gone] = $ids('SELECT id FROM wp_mepr_transactions WHERE id > 901100 ORDER BY id');
        $run("DROP TABLE wp_mi_state, wp_mi_meta; DELETE FROM wp_mepr_transactions WHERE id = $gone");
        (new Schema(new Database($GLOBALS['wpdb'])))->create();
        return ['gone' => ['transactions' => [$gone]]];
    },
    'host' => static function () use ($argv): array {
        Host::become($argv[2] ?? '');
        return [];
    },
    'export' => static function () use ($argument): array {
        $client = World::connect();
        $since = $client->call('/sync')->json['watermark'];
        [$began, $rows, $memory] = [microtime(true), 0, 0];
        foreach (['products', 'rules', 'subscriptions', 'transactions', 'members'] as $entity) {
            $after = 0;
            do {
                $page = $client->call("/sync/$entity", ['after' => $after, 'limit' => $argument]);
                $rows += count($page->rows());
                $memory = max($memory, $page->json['mem_peak'] - $page->json['mem_base']);
                $after = $page->json['next'];
            } while ($page->json['more']);
        }
        $read = microtime(true);
        $entities = 'members,products,rules,subscriptions,transactions';
        $none = $client->changes($since, 1000, true, $entities);
        $first = microtime(true);
        $client->changes($none['watermark'], 1000, true, $entities);
        return ['rows' => $rows, 'seconds' => $read - $began, 'first_sweep' => $first - $read, 'sweep' => microtime(true) - $first,
            'memory' => $memory / 1048576];
    },
    'revoke' => static function (): array {
        (new Keys())->drop();
        return [];
    },
];
if (!isset($steps[$step])) {
    fwrite(STDERR, "no step '$step'; there are " . implode(', ', array_keys($steps)) . "\n");
    exit(2);
}
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
echo json_encode((object) $steps[$step]()), "\n";
