<?php

namespace MemberIntel\Tests;

/** Three processes that write to the site at once: one through models, one through $wpdb, one past WordPress. */
final class Writers
{
    private string $stop;

    /** @var array<int, resource> */
    private array $processes = [];

    /** @var array<int, resource> */
    private array $pipes = [];

    public function __construct(int $seed)
    {
        $this->stop = sys_get_temp_dir() . '/memberintel-stop-' . bin2hex(random_bytes(4));
        foreach (['models', 'wpdb', 'sql'] as $i => $how) {
            $command = ['php', __DIR__ . '/writer.php', $how, (string) ($seed * 10 + $i), $this->stop];
            $this->processes[$i] = proc_open($command, [['file', '/dev/null', 'r'], ['pipe', 'w']], $pipes);
            $this->pipes[$i] = $pipes[1];
        }
    }

    /** Until rows of all three are there. */
    public function await(): void
    {
        global $wpdb;
        $sql = "SELECT COUNT(DISTINCT SUBSTRING_INDEX(trans_num, '-', 2)) FROM {$wpdb->prefix}mepr_transactions
            WHERE trans_num LIKE 'set-%'";
        for ($i = 0; (int) $wpdb->get_var($sql) < 3; $i++) {
            if ($i > 300) {
                throw new \RuntimeException('the writers do not write');
            }
            usleep(100000);
        }
    }

    /** Ends them and tells how many writes they did. */
    public function stop(): int
    {
        touch($this->stop);
        $writes = 0;
        foreach ($this->processes as $i => $process) {
            $writes += (int) stream_get_contents($this->pipes[$i]);
            proc_close($process);
        }
        unlink($this->stop);
        return $writes;
    }
}
