<?php

namespace MemberIntel;

/**
 * Which life of this site's state the numbers belong to. Another epoch means that what a reader knows no longer counts:
 * the tables are new, they stand in another database, a backup was restored, or the site was connected anew.
 */
final class Epoch
{
    private Database $db;
    private Meta $meta;

    public function __construct(Database $db, Meta $meta)
    {
        $this->db = $db;
        $this->meta = $meta;
    }

    /** A name for this site that stays, whatever epoch it is. */
    public static function siteId(): string
    {
        $id = get_option('memberintel_site_id');
        if (!is_string($id) || $id === '') {
            $id = wp_generate_uuid4();
            update_option('memberintel_site_id', $id, false);
        }
        return $id;
    }

    /** 16 hex digits. */
    public function current(): string
    {
        $epoch = $this->meta->get('epoch');
        if ($epoch === null || $this->meta->get('fingerprint') !== $this->fingerprint()) {
            return $this->renew();
        }
        return $epoch;
    }

    /** Begins a new epoch: nothing has been told yet, and watermarks of before mean nothing. */
    public function renew(): string
    {
        $this->meta->forget(['epoch']); // first: whoever meets what a crash leaves of the state begins anew too
        (new State($this->db, $this->meta))->clear();
        (new Marks($this->db))->clear();
        $this->meta->forget(['seq', 'pruned_seq', 'baseline_at', 'round', 'sweep_kinds', 'sweep_entity', 'sweep_after', 'sweep_done']);
        $epoch = bin2hex(random_bytes(8));
        $this->meta->set('watermark_key', bin2hex(random_bytes(32)));
        $this->meta->set('fingerprint', $this->fingerprint());
        $this->meta->set('epoch', $epoch);
        return $epoch;
    }

    /** What the state belongs to. A host's name is left out: managed databases change it. */
    private function fingerprint(): string
    {
        return hash('sha256', DB_NAME . '|' . $this->db->prefix());
    }
}
