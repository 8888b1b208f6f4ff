<?php

/**
 * Writes a club into the site that `site start` made, as people and programs would: php people.php STEP. The program's
 * demo drives the site with it.
 *
 *   key                        makes a key and tells it
 *   address CONNECTION URL     where to knock, of the connection that the key led to
 *   write                      reads changes from stdin, one JSON object a line: {"how": "put", "entity": "members", "row": {...}}.
 *                              put and delete go through WordPress and MemberPress, slip past them. Rows have the fields
 *                              of docs/protocol.md.
 */

namespace MemberIntel\Tests;

use MemberIntel\Keys;
use MemberPressFixture\Hooks;
use MemberPressFixture\Subscription;
use MemberPressFixture\Transaction;

require __DIR__ . '/bootstrap.php';
require_once ABSPATH . 'wp-admin/includes/user.php';

global $wpdb;

$moment = static function (?string $at): ?string {
    return $at === null ? null : gmdate('Y-m-d H:i:s', (int) strtotime($at));
};

/** An id that is given needs the row before the model may store it. @param array<string, mixed> $rec */
$storeAs = static function (string $model, string $table, array $rec) use ($wpdb): void {
    if ($model::find($rec['id']) === null) {
        $wpdb->insert($wpdb->prefix . $table, $rec);
    }
    (new $model($rec))->store();
};

/** @param array<string, mixed> $row */
$metaOf = static function (array $row): array {
    $told = $row['custom'] ?? [];
    foreach ($row['address'] ?? [] as $line => $is) {
        $told["mepr-address-$line"] = $is;
    }
    foreach ($row['gateway_customers'] ?? [] as $known) {
        $told["_mepr_stripe_customer_id_{$known['gateway']}_{$known['currency']}"] = $known['customer'];
    }
    return $told;
};

/** MemberPress tells the fields that its options name. @param string[] $keys */
$nameFields = static function (array $keys): void {
    $options = get_option('mepr_options');
    $known = array_column(array_map('get_object_vars', $options['custom_fields']), 'field_key');
    foreach (array_diff($keys, $known) as $key) {
        $name = ucfirst(str_replace('_', ' ', substr($key, strlen('mepr_'))));
        $options['custom_fields'][] = (object) ['field_key' => $key, 'field_name' => $name, 'field_type' => 'text'];
    }
    if (array_diff($keys, $known) !== []) {
        update_option('mepr_options', $options);
    }
};

/** @param array<string, mixed> $row */
$writePost = static function (array $row, string $type, array $told): void {
    $post = ['post_title' => $row['title'], 'post_type' => $type, 'post_status' => 'publish'];
    if (get_post($row['id']) === null) {
        wp_insert_post($post + ['import_id' => $row['id']]);
    } else {
        wp_update_post($post + ['ID' => $row['id']]);
    }
    foreach ($told as $key => $is) {
        update_post_meta($row['id'], $key, $is);
    }
};

$put = [
    'members' => static function (array $row) use ($wpdb, $moment, $metaOf, $nameFields): void {
        if (get_userdata($row['id']) === false) {
            $wpdb->insert($wpdb->users, ['ID' => $row['id'], 'user_login' => $row['login'], 'user_email' => $row['email'],
                'user_nicename' => sanitize_title($row['login']), 'user_registered' => $moment($row['registered_at'])]);
            clean_user_cache($row['id']);
        }
        wp_update_user(['ID' => $row['id'], 'user_email' => $row['email'], 'first_name' => $row['first_name'],
            'last_name' => $row['last_name'], 'display_name' => $row['display_name']]);
        $user = new \WP_User($row['id']);
        $user->set_role($row['roles'][0]);
        foreach (array_slice($row['roles'], 1) as $role) {
            $user->add_role($role);
        }
        $nameFields(array_keys($row['custom'] ?? []));
        foreach ($metaOf($row) as $key => $is) {
            update_user_meta($row['id'], $key, $is);
        }
        $logins = (int) $wpdb->get_var($wpdb->prepare(
            "SELECT login_count FROM {$wpdb->prefix}mepr_members WHERE user_id = %d",
            $row['id']
        ));
        if ($row['login_count'] > $logins) {
            apply_filters('login_redirect', '', '', $user);
        }
    },
    'products' => static function (array $row) use ($writePost): void {
        $writePost($row, 'memberpressproduct', ['_mepr_product_price' => $row['price'], '_mepr_product_period' => (string) $row['period'],
            '_mepr_product_period_type' => $row['period_type'], '_mepr_expire_type' => $row['expire_type'] ?: 'none',
            '_mepr_expire_after' => (string) $row['expire_after'], '_mepr_expire_unit' => $row['expire_unit'] ?: 'days']);
    },
    'rules' => static function (array $row) use ($wpdb, $writePost): void {
        $writePost($row, 'memberpressrule', ['_mepr_rules_type' => $row['type'], '_mepr_rules_content' => $row['content']]);
        foreach ($row['conditions'] as $is) {
            $wpdb->replace($wpdb->prefix . 'mepr_rule_access_conditions', ['id' => $is['id'], 'rule_id' => $row['id'],
                'access_type' => $is['type'], 'access_operator' => $is['operator'], 'access_condition' => $is['condition']]);
        }
    },
    'subscriptions' => static function (array $row) use ($wpdb, $moment, $storeAs): void {
        $storeAs(Subscription::class, 'mepr_subscriptions', ['id' => $row['id'], 'user_id' => (int) $row['member_id'],
            'product_id' => (int) $row['product_id'], 'subscr_id' => $row['subscr_id'], 'gateway' => $row['gateway'],
            'status' => $row['status'], 'price' => $row['price'], 'total' => $row['total'], 'period' => $row['period'],
            'period_type' => $row['period_type'], 'trial' => (int) $row['trial'], 'trial_days' => $row['trial_days'],
            'created_at' => $moment($row['created_at'])]);
        $told = $wpdb->get_var($wpdb->prepare(
            "SELECT id FROM {$wpdb->prefix}mepr_events WHERE event = 'subscription-stopped' AND evt_id = %d",
            $row['id']
        ));
        if ($row['stopped_at'] !== null && $told === null) {
            $event = Hooks::event('subscription-stopped', $row['id'], 'subscriptions');
            $wpdb->update($wpdb->prefix . 'mepr_events', ['created_at' => $moment($row['stopped_at'])], ['id' => $event]);
        }
    },
    'transactions' => static function (array $row) use ($moment, $storeAs): void {
        $storeAs(Transaction::class, 'mepr_transactions', ['id' => $row['id'], 'user_id' => (int) $row['member_id'],
            'product_id' => (int) $row['product_id'], 'subscription_id' => (int) $row['subscription_id'],
            'txn_type' => $row['type'], 'status' => $row['status'], 'trans_num' => $row['trans_num'],
            'gateway' => $row['gateway'], 'amount' => $row['amount'] ?: '0.00', 'total' => $row['total'] ?: '0.00',
            'created_at' => $moment($row['created_at']), 'expires_at' => $moment($row['expires_at']),
            'refunded_at' => $moment($row['refunded_at'])]);
    },
];

$past = new \mysqli('localhost', DB_USER, DB_PASSWORD, DB_NAME, 0, substr(DB_HOST, strlen('localhost:')));
$slip = [
    'members' => static function (array $row) use ($past, $nameFields): void {
        $nameFields(array_keys($row['custom']));
        foreach ($row['custom'] as $key => $is) {
            [$key, $is] = [$past->real_escape_string($key), $past->real_escape_string((string) $is)];
            $past->query("UPDATE wp_usermeta SET meta_value = '$is' WHERE user_id = {$row['id']} AND meta_key = '$key'");
            $past->query("INSERT INTO wp_usermeta (user_id, meta_key, meta_value) SELECT {$row['id']}, '$key', '$is' FROM dual
                WHERE NOT EXISTS (SELECT 1 FROM wp_usermeta WHERE user_id = {$row['id']} AND meta_key = '$key')");
        }
    },
    'transactions' => static function (array $row) use ($past): void {
        $past->query('UPDATE wp_mepr_transactions SET user_id = ' . (int) $row['member_id'] . " WHERE id = {$row['id']}");
    },
];
$delete = [
    'members' => static function (array $row): void {
        wp_delete_user($row['id']);
    },
];

$steps = [
    'key' => static function (): array {
        World::clear();
        $client = World::connect();
        return ['key_id' => $client->keyId, 'secret' => $client->secret];
    },
    'address' => static function (string $connection, string $service): array {
        $key = (new Keys())->own();
        (new Keys())->put($key['id'], $key['secret'], ['connection_id' => $connection, 'tenant' => 'demo', 'service' => $service], 1);
        return [];
    },
    'write' => static function () use ($put, $slip, $delete): array {
        $ways = ['put' => $put, 'slip' => $slip, 'delete' => $delete];
        for ($written = 0; ($line = fgets(STDIN)) !== false; $written++) {
            $change = json_decode($line, true, 512, JSON_THROW_ON_ERROR);
            $ways[$change['how']][$change['entity']]($change['row']);
        }
        return ['written' => $written];
    },
];
$step = $argv[1] ?? '';
if (!isset($steps[$step])) {
    fwrite(STDERR, "no step '$step'; there are " . implode(', ', array_keys($steps)) . "\n");
    exit(2);
}
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
echo json_encode((object) $steps[$step](...array_slice($argv, 2))), "\n";
