<?php

namespace MemberIntel\Tests;

use MemberIntel\Database;
use MemberIntel\Epoch;
use MemberIntel\Keys;
use MemberIntel\Meta;
use MemberIntel\Schema;
use MemberIntel\Signature;
use MemberPressFixture\Product;
use MemberPressFixture\Rule;
use MemberPressFixture\Subscription;
use MemberPressFixture\Transaction;

/** A small club in the tables, made anew for a test, and connected. */
final class World
{
    private const TABLES = ['mepr_transactions', 'mepr_subscriptions', 'mepr_members', 'mepr_events', 'mepr_orders',
        'mepr_rule_access_conditions', 'mepr_transaction_meta', 'mepr_subscription_meta', 'mepr_order_meta',
        'mepr_corporate_accounts', 'mi_dirty', 'mi_state', 'mi_meta', 'mi_nonce'];

    private const CORE = ['users', 'usermeta', 'posts', 'postmeta'];

    /** @var array<string, int> ids by name */
    public array $ids = [];

    /** @var array<string, int>|null the ids of the club that the tables named kept_ hold */
    private static ?array $kept = null;

    /** Takes everything away but the administrator. */
    public static function clear(): void
    {
        global $wpdb;
        (new Schema(new Database($wpdb)))->create();
        foreach (self::TABLES as $table) {
            $wpdb->query("DELETE FROM {$wpdb->prefix}$table");
        }
        $wpdb->query("DELETE FROM $wpdb->posts WHERE post_type LIKE 'memberpress%' OR post_type = 'mp-reminder'");
        $wpdb->query("DELETE FROM $wpdb->postmeta WHERE post_id NOT IN (SELECT ID FROM $wpdb->posts)");
        $wpdb->query("DELETE FROM $wpdb->users WHERE ID > 1");
        $wpdb->query("DELETE FROM $wpdb->usermeta WHERE user_id > 1");
        update_option('mepr_options', require __DIR__ . '/memberpress/options.php');
        wp_cache_flush();
    }

    public static function connect(string $connection = ''): Client
    {
        global $wpdb;
        $secret = Signature::secret();
        $id = 'mik_' . bin2hex(random_bytes(4));
        (new Keys())->put($id, $secret, ['connection_id' => $connection, 'tenant' => 'Lakeside', 'service' => ''], 1);
        $db = new Database($wpdb);
        (new Epoch($db, new Meta($db)))->renew();
        return new Client((string) getenv('MEMBERINTEL_TEST_URL'), $id, $secret);
    }

    /** Ten users with three transactions each, two products, a rule with conditions. Made by the models once, then copied. */
    public static function club(): self
    {
        global $wpdb;
        $world = new self();
        $made = self::$kept === null;
        $made ? $world->found() : $world->ids = self::$kept;
        self::$kept = $world->ids;
        foreach (array_merge(self::TABLES, self::CORE) as $table) {
            $is = in_array($table, self::CORE, true) ? $wpdb->$table : $wpdb->prefix . $table;
            [$from, $to] = $made ? [$is, "kept_$table"] : ["kept_$table", $is];
            if ($made) {
                $wpdb->query("DROP TABLE IF EXISTS $to");
                $wpdb->query("CREATE TABLE $to LIKE $from");
            }
            $wpdb->query("DELETE FROM $to");
            $wpdb->query("INSERT INTO $to SELECT * FROM $from");
        }
        update_option('mepr_options', require __DIR__ . '/memberpress/options.php');
        wp_cache_flush();
        return $world;
    }

    /** Lets another process do something to this club. */
    public function keep(): void
    {
        update_option('memberintel_test_world', $this->ids, false);
    }

    /** The club that a process kept. */
    public static function kept(): self
    {
        $world = new self();
        $world->ids = (array) get_option('memberintel_test_world');
        return $world;
    }

    private function found(): void
    {
        self::clear();
        $this->ids['adult'] = Product::store(0, 'Adult, monthly', self::product('29.00', 1, 'months'));
        $this->ids['life'] = Product::store(0, 'Life member', self::product('450.00', 1, 'lifetime'));
        $this->ids['rule'] = Rule::store('Lessons', ['_mepr_rules_type' => 'partial', '_mepr_rules_content' => '/lessons/']);
        Rule::condition($this->ids['rule'], 'membership', (string) $this->ids['adult']);
        Rule::condition($this->ids['rule'], 'role', 'coach');
        for ($n = 1; $n <= 10; $n++) {
            $this->ids["user$n"] = $this->user("member$n");
            $subscription = new Subscription(['user_id' => $this->ids["user$n"], 'product_id' => $this->ids['adult'],
                'subscr_id' => "sub_$n", 'price' => '29.00', 'total' => '29.00', 'status' => 'active',
                'gateway' => 'rk3f9a-1c2', 'created_at' => '2026-01-01 10:00:00', 'token' => 'SECRET-TOKEN']);
            $this->ids["sub$n"] = $subscription->store();
            $this->ids["confirm$n"] = $this->txn($n, ['trans_num' => "sub_$n", 'txn_type' => 'subscription_confirmation',
                'status' => 'confirmed', 'amount' => '0.00', 'total' => '0.00']);
            $this->ids["txn$n"] = $this->txn($n, ['trans_num' => "ch_$n"]);
            $this->ids["next$n"] = $this->txn($n, ['trans_num' => "ch_next_$n", 'created_at' => '2026-02-01 10:00:00']);
        }
    }

    /** @return int[] what the ten members have of these */
    public function all(string ...$names): array
    {
        $ids = [];
        foreach ($names as $name) {
            for ($n = 1; $n <= 10; $n++) {
                $ids[] = $this->ids[$name . $n];
            }
        }
        return $ids;
    }

    public function user(string $login): int
    {
        $id = wp_insert_user(['user_login' => $login, 'user_pass' => 'x', 'user_email' => "$login@lakeside.example",
            'first_name' => ucfirst($login), 'last_name' => 'Berg', 'role' => 'subscriber']);
        update_user_meta($id, '_mepr_stripe_customer_id_rk3f9a-1c2_USD', "cus_$login");
        return (int) $id;
    }

    /** @param array<string, mixed> $some */
    public function txn(int $n, array $some = []): int
    {
        return (new Transaction($some + ['user_id' => $this->ids["user$n"], 'product_id' => $this->ids['adult'],
            'subscription_id' => $this->ids["sub$n"], 'amount' => '29.00', 'total' => '29.00', 'status' => 'complete',
            'txn_type' => 'payment', 'gateway' => 'rk3f9a-1c2', 'created_at' => '2026-01-01 10:00:00',
            'expires_at' => '2027-01-01 23:59:59', 'response' => 'SECRET-RESPONSE']))->store();
    }

    /** @return array<string, string> */
    private static function product(string $price, int $period, string $type): array
    {
        return ['_mepr_product_price' => $price, '_mepr_product_period' => (string) $period,
            '_mepr_product_period_type' => $type, '_mepr_product_trial' => '1', '_mepr_product_trial_days' => '14',
            '_mepr_expire_type' => 'none'];
    }
}
