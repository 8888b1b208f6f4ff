<?php

namespace MemberIntel;

/** One request at a time gives out numbers. The lock belongs to the database connection, so it cannot outlive a crash. */
final class Lock
{
    private Database $db;

    public function __construct(Database $db)
    {
        $this->db = $db;
    }

    /**
     * Does the work alone, or not at all when another one takes too long.
     *
     * @return mixed what the work returns
     * @throws Problem
     */
    public function alone(callable $work)
    {
        $name = 'mi_' . md5(DB_NAME . '|' . $this->db->prefix());
        if ($this->db->value($this->db->prepare('SELECT GET_LOCK(%s, 2)', $name)) !== '1') {
            throw new Problem('mi_busy', 'Another request is at work.', ['retry_after' => 5]);
        }
        try {
            return $work();
        } finally {
            $this->db->value($this->db->prepare('SELECT RELEASE_LOCK(%s)', $name));
        }
    }
}
