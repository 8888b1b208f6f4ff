<?php

namespace MemberIntel;

/** What was told last about each row: its hash, and the number under which a change of it is found. */
final class State
{
    private const BATCH = 1000;
    private const DROPPED = 5000;
    private const PARTS = 20;
    private const NONE = '0000000000000000';

    private Database $db;
    private Meta $meta;
    private string $table;

    public function __construct(Database $db, Meta $meta)
    {
        $this->db = $db;
        $this->meta = $meta;
        $this->table = $db->table('mi_state');
    }

    /**
     * Notes rows that a page tells as known, unless something is known of them already. They get number 0: a page is no
     * change. Failing costs nothing, since the sweep then finds them.
     *
     * Once a round of the sweep has begun there are readers of changes who have not seen this page, be it of a
     * verification or of a pass that breaks off. A new row is then noted under a hash that it does not have, so that the
     * sweep numbers it, or its deletion.
     *
     * @param array<int, string> $hashes by id
     */
    public function baseline(Entity $entity, array $hashes): void
    {
        $followed = $this->meta->number('round') > 0;
        foreach (array_chunk($hashes, self::BATCH, true) as $some) {
            $values = [];
            foreach ($some as $id => $hash) {
                $hash = $followed ? self::NONE : $hash;
                $values[] = "({$entity->code()}, $id, UNHEX('$hash'))";
            }
            try {
                $this->db->run("INSERT IGNORE INTO {$this->table} (entity, row_id, hash) VALUES " . implode(', ', $values));
            } catch (Failure $failure) {
                return;
            }
        }
    }

    /**
     * The parts of a range in which something is not as it was told last. Count and exclusive or of all hashes of a part
     * tell it in two passes, where looking for each row costs twice that; hence a hash covers the row's id too: contents
     * that two rows exchange do not cancel out.
     *
     * @param int $top about where the range's rows end, however far it goes
     * @return Span[] ascending
     */
    public function unlike(Entity $entity, int $after, int $last, int $top): array
    {
        $span = Span::range($after, $last);
        $width = max(1, intdiv($top - $after, self::PARTS) + 1);
        $is = $this->sums("({$entity->hashes($span)}) x", 'x.id', 'x.hash', $after, $width);
        $was = $this->sums("{$this->table} s WHERE s.entity = {$entity->code()} AND s.deleted = 0
            AND {$span->over('s.row_id')}", 's.row_id', 'HEX(s.hash)', $after, $width);
        $unlike = [];
        for ($part = 0; $part <= self::PARTS; $part++) {
            if (($is[$part] ?? null) !== ($was[$part] ?? null)) {
                $from = $after + $part * $width;
                $unlike[] = Span::range($from, $part === self::PARTS ? $last : min($last, $from + $width));
            }
        }
        return $unlike;
    }

    /** @return array<int, string> count and exclusive or of the hashes by part */
    private function sums(string $rows, string $id, string $hash, int $after, int $width): array
    {
        $sums = $this->db->rows("SELECT LEAST(($id - $after - 1) DIV $width, " . self::PARTS . ") AS part,
            CONCAT(COUNT(*), '.', BIT_XOR(CAST(CONV($hash, 16, 10) AS UNSIGNED))) AS sum FROM $rows GROUP BY part");
        return array_column($sums, 'sum', 'part');
    }

    /**
     * Rows of the span that are not as they were told last, ascending.
     *
     * @return array<int, string> hash by id
     */
    public function changed(Entity $entity, Span $span, int $limit): array
    {
        $found = $this->db->rows("SELECT x.id, x.hash FROM ({$entity->hashes($span)}) x
            LEFT JOIN {$this->table} s ON s.entity = {$entity->code()} AND s.row_id = x.id
            WHERE s.row_id IS NULL OR s.deleted = 1 OR s.hash <> UNHEX(x.hash) ORDER BY x.id LIMIT $limit");
        return array_column($found, 'hash', 'id');
    }

    /**
     * Rows of the span that were told and are gone, ascending.
     *
     * @return int[]
     */
    public function gone(Entity $entity, Span $span, int $limit): array
    {
        return array_map('intval', $this->db->column("SELECT s.row_id FROM {$this->table} s
            LEFT JOIN {$entity->table()} b ON b.{$entity->key()} = s.row_id AND {$entity->filter()}
            WHERE s.entity = {$entity->code()} AND s.deleted = 0 AND b.{$entity->key()} IS NULL
            AND {$span->over('s.row_id')} ORDER BY s.row_id LIMIT $limit"));
    }

    /**
     * Gives changes their numbers. The caller holds the lock, so nobody reads between a number and its row.
     *
     * @param array<int, string> $changed hash by id
     * @param int[] $gone
     */
    public function stamp(Entity $entity, array $changed, array $gone): void
    {
        $rows = [];
        foreach ($changed as $id => $hash) {
            $rows[] = [$id, "UNHEX('$hash')", 0];
        }
        foreach ($gone as $id) {
            $rows[] = [$id, "''", 1];
        }
        foreach (array_chunk($rows, self::BATCH) as $some) {
            $seq = $this->meta->advance('seq', count($some)) - count($some);
            $values = [];
            foreach ($some as [$id, $hash, $deleted]) {
                $seq++;
                $values[] = "({$entity->code()}, $id, $hash, $seq, UTC_TIMESTAMP(), $deleted)";
            }
            $this->db->run("INSERT INTO {$this->table} (entity, row_id, hash, seq, changed_at, deleted)
                VALUES " . implode(', ', $values) . " ON DUPLICATE KEY UPDATE hash = VALUES(hash), seq = VALUES(seq),
                changed_at = VALUES(changed_at), deleted = VALUES(deleted)");
        }
    }

    /**
     * Changes of some kinds after a number, in order.
     *
     * @param int[] $kinds
     * @return array<int, array<string, ?string>> entity, row_id, seq, deleted, hash
     */
    public function after(int $seq, array $kinds, int $limit): array
    {
        $of = implode(',', array_map('intval', $kinds)) ?: '0';
        // By number, however few the kinds are: their rows may be hundreds of thousands, and what is new is little.
        return $this->db->rows("SELECT entity, row_id, seq, deleted, LOWER(HEX(hash)) AS hash FROM {$this->table}
            FORCE INDEX (seq) WHERE seq > $seq AND entity IN ($of) ORDER BY seq LIMIT $limit");
    }

    /** The last number that was given out at this time or before, 0 when none was. */
    public function seqAt(int $at): int
    {
        $when = gmdate('Y-m-d H:i:s', $at);
        return (int) $this->db->value("SELECT MAX(seq) FROM {$this->table} WHERE seq > 0 AND changed_at < '$when'");
    }

    /** Drops tombstones of long ago, and remembers which watermarks are too old for that. */
    public function prune(int $days): void
    {
        $old = "deleted = 1 AND changed_at < UTC_TIMESTAMP() - INTERVAL $days DAY";
        $last = (int) $this->db->value("SELECT MAX(seq) FROM {$this->table} WHERE $old");
        if ($last > 0) {
            $this->meta->set('pruned_seq', (string) max($last, $this->meta->number('pruned_seq')));
            $this->drop("$old AND seq <= $last", 'seq');
        }
    }

    /** Forgets everything. Whoever calls this has taken the epoch away, so that a crash in between is no half memory. */
    public function clear(): void
    {
        $this->drop('TRUE', 'entity, row_id');
    }

    /** Deletes some rows at a time, in the order of an index: one statement for all would hold its locks for long. */
    private function drop(string $which, string $order): void
    {
        do {
            $gone = $this->db->run("DELETE FROM {$this->table} WHERE $which ORDER BY $order LIMIT " . self::DROPPED);
        } while ($gone === self::DROPPED);
    }
}
