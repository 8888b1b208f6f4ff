<?php

namespace MemberIntel;

/**
 * Rows that were seen to change, on their way to the next request for changes.
 *
 * A mark is kept in memory until the code that changed something is through: before a COMMIT, so that both are committed
 * together, and at the end of the request, so that a mark is never seen before its change. Writing marks is one insert
 * into a table of the plugin; whatever goes wrong with it is swallowed, since the sweep finds the change anyway.
 */
final class Marks
{
    /** Any of the four kinds that are posts. */
    public const POST = 100;

    /** In the place of an id: all rows are being looked at, and some are left. */
    public const ON = PHP_INT_MAX;

    /** More rows of one kind than this become one mark for all of them. */
    private const MANY = 300;

    private const CLEARED = 5000;

    private Database $db;

    /** @var array<int, array<int, true>> ids by kind; id 0 means any */
    private array $held = [];
    private bool $broken = false;
    private bool $written = false;

    public function __construct(Database $db)
    {
        $this->db = $db;
    }

    public function add(int $kind, int $id): void
    {
        if (isset($this->held[$kind][0])) {
            return;
        }
        if ($id === 0 || count($this->held[$kind] ?? []) >= self::MANY) {
            $this->held[$kind] = [0 => true];
            return;
        }
        $this->held[$kind][$id] = true;
    }

    /** Writes what is held. */
    public function flush(): void
    {
        $values = [];
        foreach ($this->held as $kind => $ids) {
            foreach (array_keys($ids) as $id) {
                $values[] = '(' . random_int(1, PHP_INT_MAX) . ", $kind, $id)";
            }
        }
        $this->held = [];
        if ($values === [] || $this->broken) {
            return;
        }
        $into = $this->db->table('mi_dirty');
        $this->broken = !$this->db->slipIn("INSERT INTO $into (id, entity, row_id) VALUES " . implode(', ', $values));
        $this->written = $this->written || !$this->broken;
    }

    /** Whether this request left marks. */
    public function written(): bool
    {
        return $this->written;
    }

    /**
     * Marks that were committed, some at a time.
     *
     * @return array<int, array<string, ?string>> id, entity, row_id
     */
    public function committed(int $limit): array
    {
        return $this->db->rows("SELECT id, entity, row_id FROM {$this->db->table('mi_dirty')} LIMIT $limit");
    }

    public function waiting(): bool
    {
        return $this->db->value("SELECT 1 FROM {$this->db->table('mi_dirty')} LIMIT 1") !== null;
    }

    /**
     * Takes marks away. By joining their keys: a list of keys would let the server lock ranges, and wait for checkouts
     * that have not committed yet.
     *
     * @param array<int, string|int> $keys
     */
    public function drop(array $keys): void
    {
        foreach (array_chunk($keys, 500) as $some) {
            $list = 'SELECT ' . implode(' AS id UNION ALL SELECT ', $some) . ' AS id';
            $this->db->run("DELETE d FROM {$this->db->table('mi_dirty')} d JOIN ($list) k ON k.id = d.id");
        }
    }

    /** Forgets all marks when nobody has asked for so long that the sweep is the better way. */
    public function trim(int $most): void
    {
        if ((int) $this->db->value("SELECT COUNT(*) FROM {$this->db->table('mi_dirty')}") > $most) {
            $this->clear();
        }
    }

    /** Forgets the marks that there are, some at a time: whoever writes one meanwhile does not wait. */
    public function clear(): void
    {
        $left = (int) $this->db->value("SELECT COUNT(*) FROM {$this->db->table('mi_dirty')}");
        while ($left > 0) {
            $marks = $this->committed(min($left, self::CLEARED));
            $this->drop(array_column($marks, 'id'));
            $left = count($marks) < self::CLEARED ? 0 : $left - self::CLEARED;
        }
    }
}
