<?php

namespace MemberIntel;

/** Rows of another table that show in a row: user meta, conditions of a rule. Their order does not matter. */
final class Child
{
    private const SPARSE = 3;

    private string $table;
    private string $parent;

    /** @var string[] */
    private array $columns;
    private string $filter;
    private ?string $key;

    /**
     * @param string[] $columns what of them shows
     * @param string|null $key their own id, where they are so many that the way to them matters
     */
    public function __construct(string $table, string $parent, array $columns, string $filter = '1 = 1', ?string $key = null)
    {
        $this->key = $key;
        $this->table = $table;
        $this->parent = $parent;
        $this->columns = $columns;
        $this->filter = $filter;
    }

    /** The SELECT of one digest for each parent that has children in the span. */
    public function digests(Database $db, Span $span): string
    {
        [$parent, $within] = $this->way($db, $span);
        $each = [];
        foreach ($this->columns as $column) {
            $each[] = "IFNULL(k.$column, CHAR(0))";
        }
        $crc = 'CRC32(CONCAT_WS(CHAR(31), ' . implode(', ', $each) . '))';
        return "SELECT $parent AS parent, CONCAT_WS('.', COUNT(*), SUM($crc)) AS digest
            FROM {$this->table} k WHERE {$this->filter} AND $within GROUP BY $parent";
    }

    /**
     * The parent's id and the condition for a span. Through the index over parents each row is looked up for itself, at
     * five times the cost of reading on in the table. So where the children of a range make up a good part of what lies
     * between the first and the last of them, that is read, and adding nothing keeps the database from the index.
     *
     * @return array{string, string}
     */
    private function way(Database $db, Span $span): array
    {
        $parent = "k.{$this->parent}";
        if ($this->key !== null && $span->isRange()) {
            $lie = $db->rows("SELECT COUNT(*) AS n, MIN(k.{$this->key}) AS low, MAX(k.{$this->key}) AS top
                FROM {$this->table} k WHERE {$span->over($parent)}")[0];
            if ($lie['n'] > 0 && $lie['top'] - $lie['low'] < self::SPARSE * $lie['n']) {
                $near = "k.{$this->key} BETWEEN {$lie['low']} AND {$lie['top']}";
                return ["$parent + 0", "$near AND {$span->over("$parent + 0")}"];
            }
        }
        return [$parent, $span->over($parent)];
    }
}
