<?php

namespace MemberIntel\Tests;

/**
 * A full pass while three writers are at work, then one incremental sync: what the reader has is what the table has.
 * MEMBERINTEL_TEST_REPEATS says how often, 2 unless told.
 */
final class ConsistencyTest extends SiteTestCase
{
    public function testAFullPassAmidWritersAndOneIncrementLeaveNoDifference(): void
    {
        for ($run = 1; $run <= max(1, (int) (getenv('MEMBERINTEL_TEST_REPEATS') ?: 2)); $run++) {
            $this->seed();
            $this->client = World::connect();
            $writers = new Writers($run);
            try {
                $writers->await();
                $since = $this->client->call('/sync')->json['watermark'];
                $held = $this->client->all('transactions', 150);
                $halfway = $this->client->changes($since, 500, false);
                $held = $this->applied($held, $halfway);
            } finally {
                $writes = $writers->stop();
            }
            $held = $this->applied($held, $this->client->changes($halfway['watermark']));
            $this->assertGreaterThan(50, $writes);
            $this->compare($held, $run, $writes);
        }
    }

    /**
     * @param array<int, array<string, mixed>> $held
     * @param array<string, mixed> $changes
     * @return array<int, array<string, mixed>>
     */
    private function applied(array $held, array $changes): array
    {
        $rows = ($changes['rows']['transactions'] ?? []) + $held;
        return array_diff_key($rows, $changes['deleted']['transactions'] ?? []);
    }

    /** @param array<int, array<string, mixed>> $held */
    private function compare(array $held, int $run, int $writes): void
    {
        global $wpdb;
        $true = [];
        foreach ($wpdb->get_results("SELECT id, total, trans_num, user_id FROM {$wpdb->prefix}mepr_transactions") as $row) {
            $true[(int) $row->id] = [$row->total, (string) $row->trans_num, (int) $row->user_id];
        }
        $stale = 0;
        foreach (array_intersect_key($held, $true) as $id => $row) {
            $stale += [$row['total'], $row['trans_num'], (int) $row['member_id']] === $true[$id] ? 0 : 1;
        }
        $difference = ['missing' => count(array_diff_key($true, $held)), 'extra' => count(array_diff_key($held, $true)),
            'stale' => $stale];
        $this->assertSame(['missing' => 0, 'extra' => 0, 'stale' => 0], $difference, "run $run, $writes writes");
    }

    private function seed(): void
    {
        global $wpdb;
        $wpdb->query("DELETE FROM {$wpdb->prefix}mepr_transactions");
        $wpdb->query("INSERT INTO {$wpdb->prefix}mepr_transactions (id, user_id, product_id, amount, total, created_at)
            SELECT seq, 1 + seq % 9, 1, 1, seq % 50, '2026-01-01' FROM seq_1_to_4000");
    }
}
