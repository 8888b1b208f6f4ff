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

    /** Begins a new round and tells its number. */
    public function begin(): int
    {
        $this->meta->set('sweep_done', '0');
        $this->meta->set('sweep_entity', '0');
        $this->meta->set('sweep_after', '0');
        return $this->meta->advance('round', 1);
    }

    /** Goes on with the round for as long as the budget allows. True when it is complete. */
    public function proceed(Budget $budget): bool
    {
        $at = $this->meta->number('sweep_entity');
        $after = $this->meta->number('sweep_after');
        $swept = false;
        foreach ($this->entities->available() as $entity) {
            if ($entity->code() < $at) {
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

    private function pause(Entity $entity, int $after): bool
    {
        $this->meta->set('sweep_entity', (string) $entity->code());
        $this->meta->set('sweep_after', (string) $after);
        return false;
    }

    /**
     * Looks at all rows of a kind, for as long as the budget allows, from where the last time ended. What is marked anew
     * on the way lets it go once more through all, after it has come to the end: however often something is marked, every
     * row has its turn. True when nothing is left.
     *
     * @param bool $marked whether a mark has come since the last time
     */
    public function all(Entity $entity, bool $marked, Budget $budget): bool
    {
        $name = 'all_' . $entity->code();
        $epoch = (string) $this->meta->get('epoch');
        $place = explode(':', (string) $this->meta->get($name));
        [$after, $again] = $place[0] === $epoch && count($place) === 3 ? [(int) $place[1], $place[2] === '1'] : [0, false];
        $again = $again || ($marked && $after > 0);
        $reached = $this->through($entity, $after, $budget);
        if ($reached === null && $again) {
            [$reached, $again] = [$budget->spent(0.5) ? 0 : $this->through($entity, 0, $budget), false];
        }
        if ($reached === null) {
            $this->meta->forget([$name]);
            return true;
        }
        $this->meta->set($name, "$epoch:$reached:" . (int) $again);
        return false;
    }

    /**
     * Sweeps one kind of row from an id on. Null when it is through, else the id to go on from.
     */
    public function through(Entity $entity, int $after, Budget $budget): ?int
    {
        while (true) {
            $last = $this->chunkEnd($entity, $after);
            $span = Span::range($after, $last);
            $after = $this->compare($entity, $span, $last);
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

    /** Compares a range and tells how far it came: where very much has changed, not to its end. */
    private function compare(Entity $entity, Span $span, int $last): int
    {
        $changed = $this->state->changed($entity, $span, self::FOUND);
        $gone = $this->state->gone($entity, $span, self::FOUND);
        $reached = $last;
        if (count($changed) === self::FOUND) {
            $reached = min($reached, (int) array_key_last($changed));
        }
        if (count($gone) === self::FOUND) {
            $reached = min($reached, end($gone));
        }
        $within = static function (int $id) use ($reached): bool {
            return $id <= $reached;
        };
        $this->state->stamp(
            $entity,
            array_filter($changed, $within, ARRAY_FILTER_USE_KEY),
            array_filter($gone, $within)
        );
        return $reached;
    }

    /** The id at the end of the next chunk; the last chunk has no end, so that it finds what is gone beyond. */
    private function chunkEnd(Entity $entity, int $after): int
    {
        $chunk = $this->chunk;
        $end = $this->db->rows("SELECT MAX(x.id) AS top, COUNT(*) AS n FROM (SELECT b.{$entity->key()} AS id
            FROM {$entity->table()} b WHERE {$entity->filter()} AND b.{$entity->key()} > $after
            ORDER BY b.{$entity->key()} LIMIT $chunk) x")[0];
        return (int) $end['n'] < $chunk ? PHP_INT_MAX : (int) $end['top'];
    }
}
