<?php

namespace MemberIntel;

/**
 * WordPress' database connection, with errors that are thrown instead of printed.
 *
 * It is the connection of the request, so what is written here commits together with what the request writes.
 */
final class Database
{
    private \wpdb $db;

    /** @var array<string, array<string, bool>> columns by table, as far as they were asked for */
    private array $columns = [];

    public function __construct(\wpdb $db)
    {
        $this->db = $db;
    }

    /** The full name of a table that belongs to this site. */
    public function table(string $name): string
    {
        return $this->db->prefix . $name;
    }

    /** The full name of one of WordPress' own tables: users and usermeta are shared in a network. */
    public function core(string $name): string
    {
        return $this->db->{$name};
    }

    /** The prefix of this site's tables, which is also that of its capabilities. */
    public function prefix(): string
    {
        return $this->db->prefix;
    }

    /** Whether the table is there. Asked once for each table. */
    public function has(string $table): bool
    {
        return $this->columns($table) !== [];
    }

    /**
     * The columns of a table, lower-case, none when it is not there: MemberPress has added some over the years.
     *
     * @return array<string, bool>
     */
    public function columns(string $table): array
    {
        if (!isset($this->columns[$table])) {
            $this->columns[$table] = [];
            $found = $this->column($this->prepare(
                'SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s',
                $table
            ));
            foreach ($found as $name) {
                $this->columns[$table][strtolower($name)] = true;
            }
        }
        return $this->columns[$table];
    }

    /** @param mixed ...$values */
    public function prepare(string $sql, ...$values): string
    {
        // phpcs:ignore WordPress.DB.PreparedSQL.NotPrepared -- this is the preparing.
        return (string) $this->db->prepare($sql, ...$values);
    }

    /**
     * @return array<int, array<string, ?string>>
     * @throws Failure
     */
    public function rows(string $sql): array
    {
        return (array) $this->attempt(function () use ($sql) {
            return $this->db->get_results($sql, ARRAY_A);
        });
    }

    /**
     * @return array<int, string>
     * @throws Failure
     */
    public function column(string $sql): array
    {
        return (array) $this->attempt(function () use ($sql) {
            return $this->db->get_col($sql);
        });
    }

    /** @throws Failure */
    public function value(string $sql): ?string
    {
        $value = $this->attempt(function () use ($sql) {
            return $this->db->get_var($sql);
        });
        return $value === null ? null : (string) $value;
    }

    /**
     * How many rows the statement touched.
     *
     * @throws Failure
     */
    public function run(string $sql): int
    {
        return (int) $this->attempt(function () use ($sql) {
            return $this->db->query($sql);
        });
    }

    /** The id that the last insert of this connection made, 0 when it made none. */
    public function lastId(): int
    {
        return (int) $this->db->insert_id;
    }

    /**
     * Runs a statement of ours amid somebody else's work: what they may still want to know about their own
     * last statement is as it was afterwards, and a failure is nobody's.
     */
    public function slipIn(string $sql): bool
    {
        $kept = [$this->db->insert_id, $this->db->rows_affected, $this->db->num_rows, $this->db->last_error,
            $this->db->last_query, $this->db->last_result];
        try {
            $this->run($sql);
            return true;
        } catch (Failure $failure) {
            return false;
        } finally {
            [$this->db->insert_id, $this->db->rows_affected, $this->db->num_rows, $this->db->last_error,
                $this->db->last_query, $this->db->last_result] = $kept;
        }
    }

    /** What the last statement of anybody on this connection was, and whether it went well. */
    public function lastStatement(): string
    {
        return $this->db->last_error === '' ? (string) $this->db->last_query : '';
    }

    /** How many rows the last statement of anybody on this connection touched. */
    public function lastTouched(): int
    {
        return (int) $this->db->rows_affected;
    }

    /** @return mixed */
    private function attempt(callable $work)
    {
        $quiet = $this->db->suppress_errors(true);
        try {
            $result = $work();
        } finally {
            $this->db->suppress_errors($quiet);
        }
        if ($this->db->last_error !== '') {
            throw new Failure('memberintel: ' . $this->db->last_error);
        }
        return $result;
    }
}
