<?php

namespace MemberIntel;

/**
 * Compares every row's hash with what was told last. It is what makes the changes complete: hooks and marks only make
 * them quick. A round may take several requests; its place is kept between them.
 *
 * All reading is plain SELECTs in chunks. An INSERT ... SELECT would lock the rows that checkouts write.
 */
final class Sweep
{
    private const CHUNK = 20000;
    private const FOUND = 2000;

    private Database $db;
    private Meta $meta;
    private State $state;
    private Entities $entities;

    private int $chunk;

    /** @param int $chunk how many rows one statement compares */
    public function __construct(Database $db, Meta $meta, State $state, Entities $entities, int $chunk = self::CHUNK)
    {
        $this->chunk = $chunk;
        $this->db = $db;
        $this->meta = $meta;
        $this->state = $state;
        $this->entities = $entities;
    }

    /** @return array{round: int, complete: bool} */
    public function standing(): array
    {
        return ['round' => $this->meta->number('round'), 'complete' => $this->meta->number('sweep_done') === 1];
    }

    /**
     * Whether the round looks at all of these.
     *
     * @param array<string, Entity> $chosen
     */
    public function covers(array $chosen): bool
    {
        $kinds = $this->kinds();
        return $kinds === null || array_diff(self::codes($chosen), $kinds) === [];
    }

    /**
     * Begins a new round over these and tells its number. What a round that is under way still owes others is taken along.
     *
     * @param array<string, Entity> $chosen
     */
    public function begin(array $chosen): int
    {
        $owed = $this->standing()['complete'] ? [] : $this->kinds() ?? [];
        // In this order a crash in between leaves nothing behind that the round before would take for looked at.
        $this->go('0', '0');
        $this->meta->set('sweep_done', '0');
        $this->meta->set('sweep_kinds', implode(',', array_unique(array_merge(self::codes($chosen), $owed))));
        return $this->meta->advance('round', 1);
    }

    /** Goes on with the round for as long as the budget allows. True when it is complete. */
    public function proceed(Budget $budget): bool
    {
        $at = $this->meta->number('sweep_entity');
        $after = $this->meta->number('sweep_after');
        $swept = false;
        $kinds = $this->kinds();
        foreach ($this->entities->available() as $entity) {
            if ($entity->code() < $at || $kinds !== null && !in_array((string) $entity->code(), $kinds, true)) {
                continue;
            }
            if ($swept && $budget->spent(0.5)) {
                return $this->pause($entity, 0);
            }
            $reached = $this->through($entity, $entity->code() === $at ? $after : 0, $budget);
            if ($reached !== null) {
                return $this->pause($entity, $reached);
            }
            $swept = true;
        }
        $this->meta->set('sweep_done', '1');
        return true;
    }

    /**
     * The codes of what the round looks at; null for all, as a former version of the plugin did.
     *
     * @return string[]|null
     */
    private function kinds(): ?array
    {
        $kinds = $this->meta->get('sweep_kinds');
        return $kinds === null ? null : explode(',', $kinds);
    }

    /**
     * @param Entity[] $entities
     * @return string[]
     */
    private static function codes(array $entities): array
    {
        return array_map(static function (Entity $entity): string {
            return (string) $entity->code();
        }, array_values($entities));
    }

    private function pause(Entity $entity, int $after): bool
    {
        $this->go((string) $entity->code(), (string) $after);
        return false;
    }

    /** Moves the place of the round. The id of one kind must never stand beside another kind, also after a crash. */
    private function go(string $entity, string $after): void
    {
        if ($this->meta->get('sweep_entity') !== $entity) {
            $this->meta->set('sweep_after', '0');
            $this->meta->set('sweep_entity', $entity);
        }
        $this->meta->set('sweep_after', $after);
    }

    /**
     * Keeps in mind that all rows of a kind are to be looked at. Where that is under way, they are once more after it has
     * come to the end: however often something is marked, every row has its turn.
     */
    public function owe(Entity $entity): void
    {
        $place = $this->place($entity);
        $this->keep($entity, $place['after'] ?? 0, $place !== null && $place['after'] > 0);
    }

    /** Forgets what owe() kept: a round that begins looks at all rows. */
    public function settle(Entity $entity): void
    {
        if ($this->place($entity) !== null) {
            $this->meta->forget([self::name($entity)]);
        }
    }

    /** Looks at all rows of a kind where that is owed, for as long as the budget allows. True when nothing is left. */
    public function all(Entity $entity, Budget $budget): bool
    {
        $place = $this->place($entity);
        if ($place === null) {
            return true;
        }
        $again = $place['again'];
        $reached = $this->through($entity, $place['after'], $budget);
        if ($reached === null && $again) {
            [$reached, $again] = [$budget->spent(0.5) ? 0 : $this->through($entity, 0, $budget), false];
        }
        if ($reached === null) {
            $this->meta->forget([self::name($entity)]);
            return true;
        }
        $this->keep($entity, $reached, $again);
        return false;
    }

    /** @return array{after: int, again: bool}|null how far a look at all rows is, null when none is owed */
    private function place(Entity $entity): ?array
    {
        $place = explode(':', (string) $this->meta->get(self::name($entity)));
        if (count($place) !== 3 || $place[0] !== (string) $this->meta->get('epoch')) {
            return null;
        }
        return ['after' => (int) $place[1], 'again' => $place[2] === '1'];
    }

    private function keep(Entity $entity, int $after, bool $again): void
    {
        $this->meta->set(self::name($entity), $this->meta->get('epoch') . ":$after:" . (int) $again);
    }

    private static function name(Entity $entity): string
    {
        return 'all_' . $entity->code();
    }

    /**
     * Sweeps one kind of row from an id on. Null when it is through, else the id to go on from.
     */
    public function through(Entity $entity, int $after, Budget $budget): ?int
    {
        while (true) {
            [$last, $top] = $this->chunk($entity, $after);
            foreach ($this->state->unlike($entity, $after, $last, $top) as $span) {
                $reached = $this->compare($entity, $span);
                if ($reached !== null) {
                    $last = $reached;
                    break;
                }
            }
            $after = $last;
            if ($after === PHP_INT_MAX) {
                return null;
            }
            if ($budget->spent(0.5)) {
                return $after;
            }
        }
    }

    /**
     * Compares the rows with these ids.
     *
     * @param int[] $ids
     */
    public function look(Entity $entity, array $ids): void
    {
        foreach (array_chunk($ids, 1000) as $some) {
            $span = Span::ids($some);
            $gone = $this->state->gone($entity, $span, count($some));
            $this->state->stamp($entity, $this->state->changed($entity, $span, count($some)), $gone);
        }
    }

    /** Compares the rows of a range. Null when it came to its end, else, where very much has changed, the id that it reached. */
    private function compare(Entity $entity, Span $span): ?int
    {
        $changed = $this->state->changed($entity, $span, self::FOUND);
        $gone = $this->state->gone($entity, $span, self::FOUND);
        $ends = [PHP_INT_MAX];
        if (count($changed) === self::FOUND) {
            $ends[] = (int) array_key_last($changed);
        }
        if (count($gone) === self::FOUND) {
            $ends[] = end($gone);
        }
        $reached = min($ends);
        $within = static function (int $id) use ($reached): bool {
            return $id <= $reached;
        };
        $this->state->stamp(
            $entity,
            array_filter($changed, $within, ARRAY_FILTER_USE_KEY),
            array_filter($gone, $within)
        );
        return $reached === PHP_INT_MAX ? null : $reached;
    }

    /**
     * Where the next chunk ends, and its last row's id; the last chunk has no end, so that it finds what is gone beyond.
     *
     * @return array{int, int}
     */
    private function chunk(Entity $entity, int $after): array
    {
        $chunk = $this->chunk;
        $end = $this->db->rows("SELECT MAX(x.id) AS top, COUNT(*) AS n FROM (SELECT b.{$entity->key()} AS id
            FROM {$entity->table()} b WHERE {$entity->filter()} AND b.{$entity->key()} > $after
            ORDER BY b.{$entity->key()} LIMIT $chunk) x")[0];
        $top = max($after, (int) $end['top']);
        return [(int) $end['n'] < $chunk ? PHP_INT_MAX : $top, $top];
    }
}
