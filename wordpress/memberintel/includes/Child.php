<?php

namespace MemberIntel;

/** Rows of another table that show in a row: user meta, conditions of a rule. Their order does not matter. */
final class Child
{
    private string $table;
    private string $parent;

    /** @var string[] */
    private array $columns;
    private string $filter;

    /** @param string[] $columns what of them shows */
    public function __construct(string $table, string $parent, array $columns, string $filter = '1 = 1')
    {
        $this->table = $table;
        $this->parent = $parent;
        $this->columns = $columns;
        $this->filter = $filter;
    }

    /** The SELECT of one digest for each parent that has children in the span. */
    public function digests(Span $span): string
    {
        $each = [];
        foreach ($this->columns as $column) {
            $each[] = "IFNULL(k.$column, CHAR(0))";
        }
        $crc = 'CRC32(CONCAT_WS(CHAR(31), ' . implode(', ', $each) . '))';
        return "SELECT k.{$this->parent} AS parent, CONCAT_WS('.', COUNT(*), SUM($crc)) AS digest
            FROM {$this->table} k WHERE {$this->filter} AND {$span->over("k.{$this->parent}")} GROUP BY k.{$this->parent}";
    }
}
