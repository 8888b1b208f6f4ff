<?php

namespace MemberIntel;

/** Which ids are meant: a range, the first id left out and the last one included, or a list. */
final class Span
{
    private int $after;
    private int $last;

    /** @var int[]|null */
    private ?array $ids;

    /** @param int[]|null $ids */
    private function __construct(int $after, int $last, ?array $ids)
    {
        $this->after = $after;
        $this->last = $last;
        $this->ids = $ids;
    }

    public static function range(int $after, int $last): self
    {
        return new self($after, $last, null);
    }

    /** @param int[] $ids at least one */
    public static function ids(array $ids): self
    {
        return new self(0, 0, array_map('intval', $ids));
    }

    public function isRange(): bool
    {
        return $this->ids === null;
    }

    /** The condition over a column. */
    public function over(string $column): string
    {
        return $this->ids !== null
            ? "$column IN (" . implode(',', $this->ids) . ')'
            : "$column > {$this->after} AND $column <= {$this->last}";
    }
}
