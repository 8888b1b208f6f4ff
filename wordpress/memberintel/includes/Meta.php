<?php

namespace MemberIntel;

/**
 * Small values that belong to the state of change capture: epoch, counters, the sweep's place. They live in a table of
 * the plugin, beside the state itself, so that a restored backup brings back both or neither, and no cache stands between.
 */
final class Meta
{
    private Database $db;
    private string $table;

    public function __construct(Database $db)
    {
        $this->db = $db;
        $this->table = $db->table('mi_meta');
    }

    public function get(string $name): ?string
    {
        return $this->db->value($this->db->prepare('SELECT value FROM %i WHERE name = %s', $this->table, $name));
    }

    public function number(string $name): int
    {
        return (int) $this->get($name);
    }

    public function set(string $name, string $value): void
    {
        $this->db->run($this->db->prepare(
            'INSERT INTO %i (name, value) VALUES (%s, %s) ON DUPLICATE KEY UPDATE value = VALUES(value)',
            $this->table,
            $name,
            $value
        ));
    }

    /** Sets a value unless there is one. */
    public function setOnce(string $name, string $value): void
    {
        $this->db->run($this->db->prepare(
            'INSERT IGNORE INTO %i (name, value) VALUES (%s, %s)',
            $this->table,
            $name,
            $value
        ));
    }

    /** Counts up by n and tells the new value. Two requests never get the same one. */
    public function advance(string $name, int $n): int
    {
        $this->db->run($this->db->prepare(
            'INSERT INTO %i (name, value) VALUES (%s, LAST_INSERT_ID(%d))
            ON DUPLICATE KEY UPDATE value = LAST_INSERT_ID(value + %d)',
            $this->table,
            $name,
            $n,
            $n
        ));
        return (int) $this->db->value('SELECT LAST_INSERT_ID()');
    }

    /** Sets a time to now unless it is younger than so many seconds. True for the one caller that did. */
    public function claim(string $name, int $seconds): bool
    {
        return $this->db->run($this->db->prepare(
            'INSERT INTO %i (name, value) VALUES (%s, UNIX_TIMESTAMP())
            ON DUPLICATE KEY UPDATE value = IF(value <= UNIX_TIMESTAMP() - %d, UNIX_TIMESTAMP(), value)',
            $this->table,
            $name,
            $seconds
        )) > 0;
    }

    /** @param string[] $names */
    public function forget(array $names): void
    {
        foreach ($names as $name) {
            $this->db->run($this->db->prepare('DELETE FROM %i WHERE name = %s', $this->table, $name));
        }
    }
}
