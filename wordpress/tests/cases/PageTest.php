<?php

namespace MemberIntel\Tests;

/** Every entity, page by page. */
final class PageTest extends SiteTestCase
{
    public function testTheHandshakeTellsTheSiteAndNoSecret(): void
    {
        $reply = $this->client->call('/sync');
        $this->assertSame(200, $reply->status, $reply->raw);
        $this->assertTrue($reply->signed);
        $site = $reply->json['site'];
        $this->assertSame('USD', $site['currency']);
        $this->assertSame('1.12.11', $site['memberpress_version']);
        $this->assertSame('America/New_York', $site['timezone']);
        $this->assertSame(
            ['id' => 'rk3f9a-1c2', 'class' => 'MeprStripeGateway', 'label' => 'Credit card', 'test' => false,
                'account' => 'acct_1QLakeside'],
            $site['gateways'][0]
        );
        $this->assertTrue($site['gateways'][1]['test']);
        $this->assertSame(30, array_column($site['entities'], 'count', 'name')['transactions']);
        $this->assertStringNotContainsString('SECRET', $reply->raw);
        $this->assertStringNotContainsString('PRIVATE', $reply->raw);
        $this->assertStringNotContainsString('session_tokens', $reply->raw);
    }

    public function testEveryRowHasTheFieldsOfTheContractInTheirOrder(): void
    {
        $this->rareRows();
        foreach ($this->client->call('/sync')->json['site']['entities'] as $entity) {
            $name = $entity['name'];
            $told = $this->client->all($name);
            $this->assertNotEmpty($told, $name);
            $fixture = json_decode(file_get_contents(__DIR__ . "/../../contract/$name.json"), true);
            foreach ($told as $row) {
                $this->assertSame(array_keys($fixture['response']['json']['rows'][0]), array_keys($row), $name);
                $this->assertMatchesRegularExpression('/^[0-9a-f]{16}$/', $row['hash']);
            }
        }
    }

    public function testEveryEnvelopeHasTheFieldsOfTheContractInTheirOrder(): void
    {
        $since = $this->client->call('/sync')->json['watermark'];
        $answers = [
            'sync' => $this->client->call('/sync'),
            'members' => $this->client->call('/sync/members'),
            'changes' => $this->client->call('/sync/changes', ['since' => $since]),
            'checksums' => $this->client->call('/sync/checksums', ['entity' => 'members']),
            'error_bad_request' => $this->client->call('/sync/members', ['after' => 'first']),
            'disconnect' => $this->client->call('/sync/disconnect', [], 'POST'),
        ];
        foreach ($answers as $name => $answer) {
            $told = json_decode(file_get_contents(__DIR__ . "/../../contract/$name.json"), true)['response']['json'];
            $this->assertSame(array_keys($told), array_keys($answer->json), $name);
            foreach (['site', 'sweep', 'data'] as $part) {
                $this->assertSame(array_keys($told[$part] ?? []), array_keys($answer->json[$part] ?? []), "$name $part");
            }
        }
    }

    /** The service keeps such a row aside; taken for no end it would be access for ever. */
    public function testAMalformedEndOfAccessIsNoLifetime(): void
    {
        global $wpdb;
        $ids = [];
        foreach (['2026-00-10 00:00:00', '2026-05-00 23:59:59', '0000-05-10 00:00:00'] as $end) {
            $ids[$end] = $this->world->txn(1);
            $wpdb->update($wpdb->prefix . 'mepr_transactions', ['expires_at' => $end], ['id' => $ids[$end]]);
        }
        $told = array_column($this->client->all('transactions'), null, 'id');
        foreach ($ids as $end => $id) {
            $this->assertSame([$end, false], [$told[$id]['expires_at'], $told[$id]['lifetime']]);
        }
    }

    public function testTransactionsReadAsMemberPressMeansThem(): void
    {
        global $wpdb;
        $ids = [
            'lifetime' => $this->world->txn(1, ['expires_at' => '0000-00-00 00:00:00', 'refunded_at' => '0000-00-00 00:00:00']),
            'null' => $this->world->txn(1, ['expires_at' => null]),
            'refunded' => $this->world->txn(1, ['status' => 'refunded', 'refunded_at' => '2026-03-01 12:00:00']),
            'unknown' => $this->world->txn(1, ['status' => 'on-hold', 'txn_type' => 'wc_transaction', 'product_id' => 99999]),
            'gift' => $this->world->txn(1, ['expires_at' => '2026-01-01 10:00:00']),
            'given' => $this->world->txn(2, ['gateway' => 'free', 'total' => '0.00', 'amount' => '0.00', 'coupon_id' => 61]),
            'orphan' => $this->world->txn(1),
        ];
        $wpdb->update($wpdb->prefix . 'mepr_transactions', ['user_id' => 0], ['id' => $ids['orphan']]);
        $gift = new \MemberPressFixture\Transaction(['id' => $ids['gift']]);
        $gift->updateMeta('_is_gift_complete', '1');
        $gift->updateMeta('_gift_status', 'claimed');
        $gift->updateMeta('_gift_coupon_id', '61');
        (new \MemberPressFixture\Transaction(['id' => $ids['given']]))->updateMeta('_gifter_txn', (string) $ids['gift']);

        $told = $this->client->all('transactions');
        $this->assertTrue($told[$ids['lifetime']]['lifetime']);
        $this->assertNull($told[$ids['lifetime']]['expires_at']);
        $this->assertNull($told[$ids['lifetime']]['refunded_at']);
        $this->assertTrue($told[$ids['null']]['lifetime']);
        $this->assertSame('2026-03-01T12:00:00Z', $told[$ids['refunded']]['refunded_at']);
        $this->assertSame(['on-hold', 'wc_transaction', 99999], [$told[$ids['unknown']]['status'],
            $told[$ids['unknown']]['type'], $told[$ids['unknown']]['product_id']]);
        $this->assertSame(['complete' => true, 'status' => 'claimed', 'coupon_id' => 61, 'gifter_id' => null,
            'gifter_transaction_id' => null], $told[$ids['gift']]['gift']);
        $this->assertSame($ids['gift'], $told[$ids['given']]['gift']['gifter_transaction_id']);
        $this->assertNull($told[$ids['orphan']]['member_id']);
        $this->assertSame('29.00', $told[$this->world->ids['txn1']]['total']);
        $this->assertNull($told[$this->world->ids['txn1']]['gift']);
        $this->assertStringNotContainsString('SECRET', $this->client->call('/sync/transactions')->raw);
    }

    public function testMembersShowWhatIsNamedAndNothingElse(): void
    {
        global $wpdb;
        $id = $this->world->ids['user1'];
        update_user_meta($id, 'mepr_member_number', 'A-1041');
        update_user_meta($id, 'mepr_play_days', ['mon' => 'on', 'tue' => '', 'thu' => 'on']);
        update_user_meta($id, 'mepr_courts', ['1', '3']);
        update_user_meta($id, 'mepr-address-city', "Läkeside \u{1F3BE}");
        update_user_meta($id, '_mepr_stripe_customer_id_rk3f9a-1c2_test_EUR', 'cus_test');
        update_user_meta($id, 'session_tokens', ['SECRET-SESSION' => []]);
        update_user_meta($id, 'private_note', 'SECRET-NOTE');
        add_user_meta($id, 'mpca_corporate_account_id', '3');
        $event = \MemberPressFixture\Hooks::event('login', $id, 'users');
        $wpdb->insert($wpdb->prefix . 'mepr_members', ['user_id' => $id, 'last_login_id' => $event, 'login_count' => 5]);

        $reply = $this->client->call('/sync/members');
        $told = array_column($reply->rows(), null, 'id')[$id];
        $this->assertSame(['Member1', 'Berg', 'member1@lakeside.example', ['subscriber'], [3], 5], [$told['first_name'],
            $told['last_name'], $told['email'], $told['roles'], $told['corporate_account_ids'], $told['login_count']]);
        $this->assertSame(['mepr_member_number' => 'A-1041', 'mepr_play_days' => ['mon', 'thu'],
            'mepr_courts' => ['1', '3']], $told['custom']);
        $this->assertSame("Läkeside \u{1F3BE}", $told['address']['city']);
        $this->assertContains(
            ['gateway' => 'rk3f9a-1c2', 'test' => true, 'currency' => 'EUR', 'customer' => 'cus_test'],
            $told['gateway_customers']
        );
        $this->assertContains(['gateway' => 'rk3f9a-1c2', 'test' => false, 'currency' => 'USD',
            'customer' => 'cus_member1'], $told['gateway_customers']);
        $this->assertNotNull($told['last_login_at']);
        $this->assertStringContainsString('"custom":{}', $reply->raw);
        foreach (['SECRET', 'user_pass', '$P$', '$wp$', '$2y$'] as $never) {
            $this->assertStringNotContainsString($never, $reply->raw);
        }
    }

    public function testSubscriptionsProductsRulesAndEvents(): void
    {
        $subscription = \MemberPressFixture\Subscription::find($this->world->ids['sub1']);
        $subscription->cancel();
        $told = $this->client->all('subscriptions')[$this->world->ids['sub1']];
        $this->assertSame(['cancelled', 'sub_1', '29.00', 1, 'months'], [$told['status'], $told['subscr_id'],
            $told['price'], $told['period'], $told['period_type']]);
        $this->assertMatchesRegularExpression('/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/', $told['stopped_at']);
        $this->assertStringNotContainsString('SECRET', $this->client->call('/sync/subscriptions')->raw);

        update_post_meta($this->world->ids['adult'], '_mepr_stripe_product_id_rk3f9a-1c2', 'prod_QAdult');
        $product = $this->client->all('products')[$this->world->ids['adult']];
        $this->assertSame(['29.00', 'USD', 1, 'months', true, 14, 'publish'], [$product['price'], $product['currency'],
            $product['period'], $product['period_type'], $product['trial'], $product['trial_days'], $product['status']]);
        $this->assertSame([['key' => '_mepr_stripe_product_id_rk3f9a-1c2', 'id' => 'prod_QAdult']], $product['gateway_objects']);

        $rule = $this->client->all('rules')[$this->world->ids['rule']];
        $this->assertSame(['partial', '/lessons/', false], [$rule['type'], $rule['content'], $rule['content_is_regexp']]);
        $this->assertSame([['membership', 'is', (string) $this->world->ids['adult']], ['role', 'is', 'coach']], array_map(
            static function (array $condition): array {
                return [$condition['type'], $condition['operator'], $condition['condition']];
            },
            $rule['conditions']
        ));

        $reply = $this->client->call('/sync/events');
        $this->assertContains('subscription-stopped', array_column($reply->rows(), 'event'));
        $this->assertStringNotContainsString('SECRET-ARGS', $reply->raw);
    }

    public function testPagesMeetEveryRowOnceWhateverTheirSize(): void
    {
        $all = $this->client->all('transactions');
        $this->assertCount(30, $all);
        foreach ([1, 7, 30, 31] as $limit) {
            $this->assertSame($all, $this->client->all('transactions', $limit), "limit $limit");
        }
        $last = $this->client->call('/sync/transactions', ['after' => max(array_keys($all)), 'limit' => 10]);
        $this->assertSame([[], max(array_keys($all)), false], [$last->rows(), $last->json['next'], $last->json['more']]);
    }

    public function testChecksumsAreTheExclusiveOrOfTheRowsHashes(): void
    {
        $all = $this->client->all('transactions');
        $reply = $this->client->call('/sync/checksums', ['entity' => 'transactions', 'bucket' => 100]);
        $expected = [];
        foreach ($all as $id => $row) {
            $run = intdiv($id - 1, 100);
            $none = ['from' => $run * 100 + 1, 'to' => $run * 100 + 100, 'count' => 0, 'xor' => str_repeat("\0", 8)];
            $expected[$run] = $expected[$run] ?? $none;
            $expected[$run]['count']++;
            $expected[$run]['xor'] ^= hex2bin($row['hash']);
        }
        $expected = array_map(static function (array $run): array {
            return ['xor' => bin2hex($run['xor'])] + $run;
        }, array_values($expected));
        $this->assertEquals($expected, $reply->rows());
        $this->assertFalse($reply->json['more']);
        $this->assertSame([], $this->client->call('/sync/checksums', ['entity' => 'orders', 'bucket' => 100])->rows());
    }

    public function testBothUrlFormsAndPostGiveTheSame(): void
    {
        $plain = $this->client->call('/sync/products');
        $this->client->pretty = true;
        $pretty = $this->client->call('/sync/products');
        $posted = $this->client->call('/sync/products', [], 'POST', '{"after":0,"limit":1}');
        $this->assertSame($plain->rows(), $pretty->rows());
        $this->assertTrue($posted->signed);
        $this->assertSame(array_slice($plain->rows(), 0, 1), $posted->rows());
    }

    private function rareRows(): void
    {
        global $wpdb;
        wp_insert_post(['post_title' => 'SPRING', 'post_type' => 'memberpresscoupon', 'post_status' => 'publish',
            'meta_input' => ['_mepr_coupons_discount_amount' => '10', '_mepr_coupons_valid_products' => [1, 2]]]);
        wp_insert_post(['post_title' => 'Adults', 'post_type' => 'memberpressgroup', 'post_status' => 'publish']);
        $wpdb->insert($wpdb->prefix . 'mepr_orders', ['user_id' => 2, 'trans_num' => 'ch_order', 'status' => 'complete']);
        $wpdb->insert($wpdb->prefix . 'mepr_corporate_accounts', ['user_id' => 2, 'obj_id' => 1, 'obj_type' => 'transactions',
            'uuid' => 'SECRET-UUID']);
        \MemberPressFixture\Hooks::event('login', 1, 'users');
    }
}
