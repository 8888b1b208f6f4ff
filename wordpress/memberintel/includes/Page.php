<?php

namespace MemberIntel;

/** A page of one kind of row, by ascending id. */
final class Page
{
    private const STEP = 250;

    private State $state;
    private Budget $budget;

    public function __construct(State $state, Budget $budget)
    {
        $this->state = $state;
        $this->budget = $budget;
    }

    /**
     * The rows after an id, as JSON texts, and where the next page begins. Each page makes progress, however small the
     * budget is.
     *
     * @return array{rows: string[], next: int, more: bool}
     */
    public function read(Database $db, Entity $entity, int $after, int $limit): array
    {
        $ids = $entity->idsAfter($after, $limit + 1);
        $more = count($ids) > $limit;
        $ids = array_slice($ids, 0, $limit);
        if ($ids === []) {
            return ['rows' => [], 'next' => $after, 'more' => false];
        }
        $last = end($ids);
        $hashes = array_column($db->rows($entity->hashes(Span::range($after, $last))), 'hash', 'id');
        $rows = [];
        foreach (array_chunk($ids, self::STEP) as $i => $some) {
            if ($i > 0 && $this->budget->spent()) {
                $more = true;
                break;
            }
            $last = end($some);
            $rows[] = $this->texts($entity, $some, $hashes);
        }
        // Only what was told: a row may have been committed within the page's ids after these were read.
        $told = array_replace(...$rows);
        $this->state->baseline($entity, array_intersect_key($hashes, $told));
        return ['rows' => array_values($told), 'next' => $last, 'more' => $more];
    }

    /**
     * The rows with these ids as JSON texts; those that vanished meanwhile are left out.
     *
     * @param int[] $ids ascending
     * @param array<int, string> $hashes read before the rows, so that a change in between is told later
     * @return array<int, string> by id
     */
    public static function texts(Entity $entity, array $ids, array $hashes): array
    {
        $rows = $entity->rows($ids);
        $texts = [];
        foreach ($ids as $id) {
            if (isset($rows[$id], $hashes[$id])) {
                $texts[$id] = Value::json(['id' => $id, 'hash' => $hashes[$id]] + $rows[$id]);
            }
        }
        return $texts;
    }
}
