<?php

namespace MemberIntel;

/** Count and hash of each run of ids, so that a reader finds out where it differs without being told all rows. */
final class Checksums
{
    private const CHUNK = 20000;

    private Database $db;
    private Budget $budget;

    public function __construct(Database $db, Budget $budget)
    {
        $this->db = $db;
        $this->budget = $budget;
    }

    /**
     * Runs begin after a multiple of the bucket; those without rows are left out.
     *
     * @return array{rows: string[], next: int, more: bool}
     */
    public function read(Entity $entity, int $after, int $bucket): array
    {
        $top = $entity->extent()['max_id'];
        $after = intdiv($after, $bucket) * $bucket;
        $step = max(1, intdiv(self::CHUNK, $bucket)) * $bucket;
        $rows = [];
        while ($after < $top) {
            if ($rows !== [] && $this->budget->spent()) {
                return ['rows' => $rows, 'next' => $after, 'more' => true];
            }
            $found = $this->db->rows("SELECT FLOOR((x.id - 1) / $bucket) AS run, COUNT(*) AS n,
                LOWER(LPAD(HEX(BIT_XOR(CAST(CONV(x.hash, 16, 10) AS UNSIGNED))), 16, '0')) AS sum
                FROM ({$entity->hashes(Span::range($after, $after + $step))}) x GROUP BY run ORDER BY run");
            foreach ($found as $run) {
                $from = (int) $run['run'] * $bucket;
                $rows[] = Value::json([
                    'from' => $from + 1,
                    'to' => $from + $bucket,
                    'count' => (int) $run['n'],
                    'xor' => $run['sum'],
                ]);
            }
            // Where ids have holes of millions, the next row tells where to go on.
            $next = $entity->idsAfter($after + $step, 1);
            $after = $next === [] ? $top : intdiv($next[0] - 1, $bucket) * $bucket;
        }
        return ['rows' => $rows, 'next' => $after, 'more' => false];
    }
}
