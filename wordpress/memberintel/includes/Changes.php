<?php

namespace MemberIntel;

/** What changed since a watermark: take the marks, sweep, number what was found, tell it in the order of the numbers. */
final class Changes
{
    private const STEP = 250;
    private const MARKS = 2000;

    private Meta $meta;
    private State $state;
    private Marks $marks;
    private Sweep $sweep;
    private Entities $entities;
    private Watermark $watermark;
    private Lock $lock;
    private Budget $budget;

    public function __construct(
        Meta $meta,
        State $state,
        Marks $marks,
        Sweep $sweep,
        Entities $entities,
        Watermark $watermark,
        Lock $lock,
        Budget $budget
    ) {
        $this->meta = $meta;
        $this->state = $state;
        $this->marks = $marks;
        $this->sweep = $sweep;
        $this->entities = $entities;
        $this->watermark = $watermark;
        $this->lock = $lock;
        $this->budget = $budget;
    }

    /**
     * @param string[]|null $names of the kinds that are asked for, null for all
     * @return array{rows: string[], deleted: array<int, array<string, mixed>>, more: bool, watermark: string,
     *     sweep: array{round: int, complete: bool}}
     * @throws Problem
     */
    public function since(string $since, int $limit, bool $sweep, ?array $names = null): array
    {
        return $this->lock->alone(function () use ($since, $limit, $sweep, $names): array {
            $from = $this->watermark->decode($since, $names);
            $chosen = $this->entities->chosen($names);
            $this->watermark->mustNotBeAhead($from['seq'], $this->meta->number('seq'));
            $round = $sweep ? $this->sweepOn($from['round'], $chosen) : $from['round'];
            if (!$sweep) {
                $this->takeMarks($chosen, false);
            }
            $newest = $this->meta->advance('seq', 1);
            $told = $this->tell($from['seq'], $chosen, $limit);
            $standing = $this->sweep->standing();
            $more = $told['more'] || ($sweep && !$standing['complete']);
            return [
                'rows' => $told['rows'],
                'deleted' => $told['deleted'],
                'more' => $more,
                'watermark' => $this->watermark->encode(
                    $told['more'] ? $told['last'] : $newest,
                    $more || !$sweep ? $round : 0,
                    $names
                ),
                'sweep' => $standing,
            ];
        });
    }

    /**
     * Goes on with the reader's round, or begins one when the reader was up to date or asks for what the round leaves out.
     * Tells its number.
     *
     * @param array<string, Entity> $chosen
     */
    private function sweepOn(int $round, array $chosen): int
    {
        $standing = $this->sweep->standing();
        $new = $round === 0 || $round > $standing['round'] || !$this->sweep->covers($chosen);
        if ($new) {
            $standing = ['round' => $this->sweep->begin($chosen), 'complete' => false];
        }
        $this->takeMarks($chosen, $new);
        if (!$standing['complete']) {
            $this->sweep->proceed($this->budget);
        }
        return $standing['round'];
    }

    /**
     * Looks at the rows that marks name. Marks for all rows of a kind are for the round, where one begins here; a kind that
     * is not asked for keeps it in mind, and lets nobody knock for it.
     *
     * @param array<string, Entity> $chosen
     */
    private function takeMarks(array $chosen, bool $roundBegins): void
    {
        do {
            $marks = $this->marks->committed(self::MARKS);
            $ids = [];
            foreach ($marks as $mark) {
                if ((int) $mark['row_id'] !== Marks::ON) {
                    $ids[(int) $mark['entity']][(int) $mark['row_id']] = true;
                }
            }
            foreach ($ids as $kind => $some) {
                foreach ($this->kinds($kind) as $entity) {
                    if (isset($some[0])) {
                        $this->sweep->owe($entity);
                    }
                    $this->sweep->look($entity, array_keys(array_diff_key($some, [0 => true])));
                }
            }
            $this->marks->drop(array_column($marks, 'id')); // once nothing of them can be lost any more
        } while (count($marks) === self::MARKS && !$this->budget->spent(0.4));
        foreach ($chosen as $entity) {
            if ($roundBegins) {
                $this->sweep->settle($entity);
            } elseif (!$this->sweep->all($entity, $this->budget)) {
                $this->marks->add($entity->code(), Marks::ON);
            }
        }
        $this->marks->flush();
    }

    /** @return Entity[] */
    private function kinds(int $kind): array
    {
        if ($kind === Marks::POST) {
            return $this->entities->posts();
        }
        return array_filter([$this->entities->byCode($kind)]);
    }

    /**
     * @param array<string, Entity> $chosen
     * @return array{rows: string[], deleted: array<int, array<string, mixed>>, more: bool, last: int}
     */
    private function tell(int $seq, array $chosen, int $limit): array
    {
        $kinds = array_map(static function (Entity $entity): int {
            return $entity->code();
        }, array_values($chosen));
        $found = $this->state->after($seq, $kinds, $limit + 1);
        $told = ['rows' => [], 'deleted' => [], 'more' => count($found) > $limit, 'last' => $seq];
        foreach (array_chunk(array_slice($found, 0, $limit), self::STEP) as $i => $some) {
            if ($i > 0 && $this->budget->spent()) {
                $told['more'] = true;
                break;
            }
            $texts = $this->texts($some);
            foreach ($some as $change) {
                $entity = $this->entities->byCode((int) $change['entity']);
                $told['last'] = (int) $change['seq'];
                if ($entity === null) {
                    continue;
                }
                [$name, $id] = [$entity->name(), (int) $change['row_id']];
                if ($change['deleted'] === '1') {
                    $told['deleted'][] = ['entity' => $name, 'id' => $id, 'seq' => $told['last']];
                } elseif (isset($texts[$name][$id])) {
                    $told['rows'][] = "{\"entity\":\"$name\",\"seq\":{$told['last']},\"row\":{$texts[$name][$id]}}";
                }
            }
        }
        return $told;
    }

    /**
     * The rows of some changes as JSON texts. Their hash is the one that was numbered.
     *
     * @param array<int, array<string, ?string>> $changes
     * @return array<string, array<int, string>> by kind and id
     */
    private function texts(array $changes): array
    {
        $hashes = [];
        foreach ($changes as $change) {
            if ($change['deleted'] === '0') {
                $hashes[(int) $change['entity']][(int) $change['row_id']] = (string) $change['hash'];
            }
        }
        $texts = [];
        foreach ($hashes as $kind => $of) {
            $entity = $this->entities->byCode($kind);
            if ($entity !== null) {
                $texts[$entity->name()] = Page::texts($entity, array_keys($of), $of);
            }
        }
        return $texts;
    }
}
