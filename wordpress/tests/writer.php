<?php

/**
 * Writes to the site until the file of the third argument is there: inserts, updates, deletes, rolls back, in
 * transactions that stay open for a while. Arguments: how (models, wpdb, sql), a seed, the file that ends it.
 */

namespace MemberIntel\Tests;

use MemberPressFixture\Transaction;

[, $how, $seed, $stop] = $argv;
if ($how === 'sql') {
    // Past WordPress altogether, as a shell or phpMyAdmin would.
    define('SHORTINIT', true);
}
require __DIR__ . '/bootstrap.php';
mt_srand((int) $seed);

global $wpdb;
$table = $wpdb->prefix . 'mepr_transactions';
$deadline = time() + 120;
$n = 0;
while (!file_exists($stop) && time() < $deadline) {
    $open = mt_rand(0, 2) > 0;
    if ($open) {
        $wpdb->query('START TRANSACTION');
    }
    for ($i = mt_rand(1, 4); $i > 0; $i--) {
        $n++;
        $id = (int) $wpdb->get_var("SELECT id FROM $table WHERE id >= " . mt_rand(1, 4000) . ' ORDER BY id LIMIT 1');
        $what = mt_rand(0, 9);
        $row = ['user_id' => mt_rand(1, 9), 'product_id' => 1, 'amount' => '1.00', 'total' => (string) mt_rand(1, 99),
            'trans_num' => "new-$seed-$n", 'created_at' => '2026-01-01 00:00:00'];
        if ($what < 2) {
            $how === 'models' ? (new Transaction($row))->store() : $wpdb->insert($table, $row);
        } elseif ($what < 4) {
            $how === 'models' && Transaction::find($id) !== null
                ? Transaction::find($id)->destroy()
                : $wpdb->delete($table, ['id' => $id]);
        } elseif ($what < 5) {
            $wpdb->query("UPDATE $table SET total = total + 1 WHERE user_id = " . mt_rand(1, 9) . ' AND id % 50 = ' . mt_rand(0, 49));
        } else {
            $wpdb->update($table, ['total' => (string) mt_rand(1, 999), 'trans_num' => "set-$seed-$n"], ['id' => $id]);
        }
        usleep(mt_rand(0, 20000));
    }
    if ($open) {
        $wpdb->query(mt_rand(0, 3) > 0 ? 'COMMIT' : 'ROLLBACK');
    }
}
echo $n;
