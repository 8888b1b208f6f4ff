<?php

namespace MemberIntel\Tests;

use MemberPressFixture\Product;
use MemberPressFixture\Rule;
use MemberPressFixture\Subscription;
use MemberPressFixture\Transaction;

/** The ways in which MemberPress, its add-ons and other plugins write, each as something to do to the club. */
final class Operations
{
    /**
     * By name: what does it to the n-th member and tells the ids of what it changed, and the names in the world of what
     * is gone after it, without the number.
     *
     * @return iterable<string, array{callable(World, int): array<string, int[]>, 1?: array<string, string[]>}>
     */
    public static function all(): iterable
    {
        $sql = static function (string $statement): void {
            global $wpdb;
            $wpdb->query(str_replace('{p}', $wpdb->prefix, $statement));
        };
        yield 'a status through the model' => [static function (World $w, int $n): array {
            $txn = Transaction::find($w->ids["txn$n"]);
            $txn->status = 'failed';
            $txn->store();
            return ['transactions' => [$w->ids["txn$n"]]];
        }];
        yield 'a refund, and the confirmation that expires by SQL' => [static function (World $w, int $n): array {
            Transaction::find($w->ids["txn$n"])->refund();
            return ['transactions' => [$w->ids["txn$n"], $w->ids["confirm$n"]]];
        }];
        yield 'expire_txns of a subscription' => [static function (World $w, int $n): array {
            Subscription::find($w->ids["sub$n"])->expireTransactions();
            return ['transactions' => [$w->ids["confirm$n"], $w->ids["txn$n"], $w->ids["next$n"]]];
        }];
        yield 'update_partial' => [static function (World $w, int $n): array {
            Transaction::find($w->ids["txn$n"])->updatePartial(['trans_num' => 'ch_partial']);
            return ['transactions' => [$w->ids["txn$n"]]];
        }];
        yield 'update_meta' => [static function (World $w, int $n): array {
            Transaction::find($w->ids["txn$n"])->updateMeta('_gift_status', 'claimed');
            return ['transactions' => [$w->ids["txn$n"]]];
        }];
        yield 'an update by another plugin' => [static function (World $w, int $n): array {
            global $wpdb;
            $wpdb->update($wpdb->prefix . 'mepr_transactions', ['total' => '31.00'], ['id' => $w->ids["txn$n"]]);
            return ['transactions' => [$w->ids["txn$n"]]];
        }];
        yield 'an insert by another plugin' => [static function (): array {
            global $wpdb;
            $wpdb->insert($wpdb->prefix . 'mepr_transactions', ['user_id' => 1, 'product_id' => 1, 'amount' => '1.00',
                'created_at' => '2026-01-01 00:00:00']);
            return ['transactions' => [$wpdb->insert_id]];
        }];
        yield 'a bulk update by a condition' => [static function (World $w) use ($sql): array {
            $sql("UPDATE {p}mepr_transactions SET product_id = {$w->ids['life']} WHERE product_id = {$w->ids['adult']}
                AND trans_num LIKE 'ch\\_next\\_%'");
            return ['transactions' => $w->all('next')];
        }];
        yield 'a bulk update of all' => [static function (World $w) use ($sql): array {
            $sql("UPDATE {p}mepr_transactions SET gateway = 'manual'");
            return ['transactions' => $w->all('confirm', 'txn', 'next')];
        }];
        yield 'a delete by subscription' => [static function (World $w, int $n) use ($sql): array {
            $sql("DELETE FROM {p}mepr_transactions WHERE subscription_id = {$w->ids["sub$n"]}");
            return [];
        }, ['transactions' => ['confirm', 'txn', 'next']]];
        yield 'a subscription destroyed with its transactions' => [static function (World $w, int $n): array {
            Subscription::find($w->ids["sub$n"])->destroy();
            return [];
        }, ['transactions' => ['confirm', 'txn', 'next'], 'subscriptions' => ['sub']]];
        yield 'user meta' => [static function (World $w, int $n): array {
            update_user_meta($w->ids["user$n"], 'first_name', 'Anna');
            return ['members' => [$w->ids["user$n"]]];
        }];
        yield 'a role' => [static function (World $w, int $n): array {
            (new \WP_User($w->ids["user$n"]))->set_role('editor');
            return ['members' => [$w->ids["user$n"]]];
        }];
        yield 'an e-mail address by SQL' => [static function (World $w, int $n): array {
            global $wpdb;
            $wpdb->update($wpdb->users, ['user_email' => 'new@lakeside.example'], ['ID' => $w->ids["user$n"]]);
            return ['members' => [$w->ids["user$n"]]];
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
        yield 'a user deleted' => [static function (World $w, int $n): array {
            require_once ABSPATH . 'wp-admin/includes/user.php';
            wp_delete_user($w->ids["user$n"]);
            return ['transactions' => [$w->ids["confirm$n"], $w->ids["txn$n"], $w->ids["next$n"]],
                'subscriptions' => [$w->ids["sub$n"]]];
        }, ['members' => ['user']]];
        yield 'a product deleted in the admin' => [static function (World $w): array {
            $GLOBALS['current_screen'] = new class {
                public function in_admin(): bool // phpcs:ignore PSR1.Methods.CamelCapsMethodName -- WordPress' name
                {
                    return true;
                }
            };
            wp_delete_post($w->ids['adult'], true);
            unset($GLOBALS['current_screen']);
            return ['transactions' => $w->all('confirm', 'txn', 'next')];
        }, ['products' => ['adult']]];
    }

    /**
     * The ids of what is gone.
     *
     * @param array<string, string[]> $names
     * @return array<string, int[]>
     */
    public static function gone(World $world, int $n, array $names): array
    {
        return array_map(static function (array $some) use ($world, $n): array {
            return array_map(static function (string $name) use ($world, $n): int {
                return $world->ids[$name . $n] ?? $world->ids[$name];
            }, $some);
        }, $names);
    }
}
