<?php

namespace MemberIntel;

/** How far a reader has come, in a form that only this site in this epoch makes and understands. */
final class Watermark
{
    private Meta $meta;
    private Epoch $epoch;
    private State $state;

    public function __construct(Meta $meta, Epoch $epoch, State $state)
    {
        $this->meta = $meta;
        $this->epoch = $epoch;
        $this->state = $state;
    }

    /**
     * The round is that of a sweep that is still under way, 0 when the reader is up to date. The names are those of which
     * the reader has been told, null when it is all.
     *
     * @param string[]|null $names
     */
    public function encode(int $seq, int $round, ?array $names = null): string
    {
        $inside = ['e' => $this->epoch->current(), 's' => $seq, 't' => time(), 'r' => $round];
        if ($names !== null) {
            $inside['n'] = implode(',', $names);
        }
        $payload = Signature::encode(Value::json($inside));
        return "mw1.$payload." . $this->mac($payload);
    }

    /**
     * Where a reader of these kinds goes on. Of a kind that it was not told before it knows nothing, so that it has to
     * begin anew.
     *
     * @param string[]|null $names
     * @return array{seq: int, round: int}
     * @throws Problem
     */
    public function decode(string $since, ?array $names = null): array
    {
        if (preg_match('/^mw1\.([A-Za-z0-9_-]{1,800})\.([A-Za-z0-9_-]{1,100})$/D', $since, $part)) {
            return $this->verified($part[1], $part[2], $names);
        }
        if (preg_match('/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/D', $since)) {
            $at = strtotime($since);
            if ($at !== false) {
                return ['seq' => $this->seqAt($at), 'round' => 0];
            }
        }
        $data = ['parameter' => 'since'];
        throw new Problem('mi_bad_request', 'The parameter since is neither a watermark nor a time.', $data);
    }

    /** A reader who knows more than the site has seen a state that a restored backup took away. */
    public function mustNotBeAhead(int $seq, int $now): void
    {
        if ($seq > $now) {
            $this->epoch->renew();
            throw $this->resync('ahead');
        }
    }

    public function resync(string $reason): Problem
    {
        return new Problem('mi_resync_required', "The watermark is not of this site's present state.", [
            'reason' => $reason,
            'epoch' => $this->epoch->current(),
        ]);
    }

    /**
     * @param string[]|null $names
     * @return array{seq: int, round: int}
     */
    private function verified(string $payload, string $mac, ?array $names): array
    {
        $epoch = $this->epoch->current();
        if (!hash_equals($this->mac($payload), $mac)) {
            throw $this->resync('epoch');
        }
        $inside = json_decode(Signature::bytes($payload), true);
        if (!is_array($inside) || ($inside['e'] ?? '') !== $epoch) {
            throw $this->resync('epoch');
        }
        $seq = (int) $inside['s'];
        if ($seq < $this->meta->number('pruned_seq')) {
            throw $this->resync('pruned');
        }
        if (isset($inside['n']) && ($names === null || array_diff($names, explode(',', (string) $inside['n'])) !== [])) {
            throw $this->resync('entities');
        }
        return ['seq' => $seq, 'round' => (int) $inside['r']];
    }

    /** The last number that was given out at that time or before. */
    private function seqAt(int $at): int
    {
        $this->epoch->current();
        $from = $this->meta->number('baseline_at');
        if ($from === 0 || $at < $from) {
            throw $this->resync('before_baseline');
        }
        $seq = $this->state->seqAt($at);
        if ($seq < $this->meta->number('pruned_seq')) {
            throw $this->resync('pruned');
        }
        return $seq;
    }

    private function mac(string $payload): string
    {
        $key = (string) $this->meta->get('watermark_key');
        return Signature::encode(substr(hash_hmac('sha256', $payload, $key, true), 0, 16));
    }
}
