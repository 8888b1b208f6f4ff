<?php

namespace MemberIntel;

/** Remembers what was used once, for as long as the clock would let it pass again. */
final class Nonces
{
    private Database $db;
    private string $table;

    public function __construct(Database $db)
    {
        $this->db = $db;
        $this->table = $db->table('mi_nonce');
    }

    /** True for the first one that comes with it. */
    public function take(string $nonce): bool
    {
        if (random_int(1, 50) === 1) {
            $this->db->run("DELETE FROM {$this->table} WHERE made_at < " . (time() - 3 * Gate::SKEW));
        }
        return $this->db->run($this->db->prepare(
            'INSERT IGNORE INTO %i (nonce, made_at) VALUES (%s, %d)',
            $this->table,
            strtolower($nonce),
            time()
        )) === 1;
    }
}
