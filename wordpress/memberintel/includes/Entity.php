<?php

namespace MemberIntel;

/**
 * One kind of row that is told: where it stands, what its hash covers, and how it reads in the protocol.
 *
 * MemberPress' tables have no modified time, so a hash over everything that a row shows, child rows included, is what
 * says that it changed. Whatever rows() shows must be covered by parts() or children().
 */
abstract class Entity
{
    protected Database $db;
    protected MemberPress $memberpress;

    public function __construct(Database $db, MemberPress $memberpress)
    {
        $this->db = $db;
        $this->memberpress = $memberpress;
    }

    /** As the protocol names it. */
    abstract public function name(): string;

    /** As mi_state and mi_dirty name it; never used again for another kind. */
    abstract public function code(): int;

    /** The table that holds one row for each. */
    abstract public function table(): string;

    /**
     * The rows with these ids, in any order, without their hashes. Ids that are gone are left out.
     *
     * @param int[] $ids
     * @return array<int, array<string, mixed>> by id
     */
    abstract public function rows(array $ids): array;

    /**
     * What the hash covers, as expressions over the row, which is called b.
     *
     * @return string[]
     */
    abstract protected function parts(): array;

    public function key(): string
    {
        return 'id';
    }

    /** Which rows of the table are meant, as a condition over b. */
    public function filter(): string
    {
        return '1 = 1';
    }

    public function available(): bool
    {
        return $this->db->has($this->table());
    }

    /** @return array{count: int, max_id: int} */
    public function extent(): array
    {
        $row = $this->db->rows(
            "SELECT COUNT(*) AS n, MAX(b.{$this->key()}) AS top FROM {$this->table()} b WHERE {$this->filter()}"
        )[0];
        return ['count' => (int) $row['n'], 'max_id' => (int) $row['top']];
    }

    /**
     * The ids after this one, ascending.
     *
     * @return int[]
     */
    public function idsAfter(int $after, int $limit): array
    {
        return array_map('intval', $this->db->column(
            "SELECT b.{$this->key()} FROM {$this->table()} b WHERE {$this->filter()} AND b.{$this->key()} > $after
            ORDER BY b.{$this->key()} LIMIT $limit"
        ));
    }

    /** The SELECT that gives id and hash (16 hex digits) of the rows of a span. */
    public function hashes(Span $span): string
    {
        $parts = $this->parts();
        $joins = '';
        foreach ($this->children() as $i => $child) {
            $joins .= " LEFT JOIN ({$child->digests($this->db, $span)}) c$i ON c$i.parent = b.{$this->key()}";
            $parts[] = "IFNULL(c$i.digest, '')";
        }
        // The cast makes the whole text a binary string: collations of old tables cannot clash, and numbers need no conversion.
        $text = 'CONCAT_WS(CAST(CHAR(31) AS BINARY), ' . implode(', ', $parts) . ')';
        return "SELECT b.{$this->key()} AS id, LEFT(MD5($text), 16) AS hash
            FROM {$this->table()} b$joins WHERE {$this->filter()} AND {$span->over("b.{$this->key()}")}";
    }

    /**
     * The rows of other tables that show in this one.
     *
     * @return Child[]
     */
    protected function children(): array
    {
        return [];
    }

    /**
     * The columns as hash parts: NULL and the empty text differ. Columns that this MemberPress does not have are left out.
     *
     * @param string[] $columns
     * @return string[]
     */
    protected function covered(array $columns): array
    {
        $parts = [];
        foreach (array_intersect_key(array_flip($columns), $this->db->columns($this->table())) as $column => $_) {
            $parts[] = "IFNULL(b.$column, CHAR(0))";
        }
        return $parts;
    }

    /**
     * The table's rows with these ids; columns that this MemberPress does not have are null.
     *
     * @param string[] $columns
     * @param int[] $ids
     * @return array<int, array<string, ?string>>
     */
    protected function stored(array $columns, array $ids): array
    {
        $has = $this->db->columns($this->table());
        $list = [];
        foreach ($columns as $column) {
            $list[] = isset($has[strtolower($column)]) ? "b.$column" : "NULL AS $column";
        }
        $rows = $this->db->rows('SELECT ' . implode(', ', $list) . " FROM {$this->table()} b WHERE {$this->filter()}
            AND " . Span::ids($ids)->over("b.{$this->key()}"));
        return array_column($rows, null, $this->key());
    }

    protected function currencyPart(): string
    {
        return $this->db->prepare('%s', $this->memberpress->currency());
    }
}
