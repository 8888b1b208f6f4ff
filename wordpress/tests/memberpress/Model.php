<?php

namespace MemberPressFixture;

/** What models of rows share: properties in an array, written through $wpdb, with the filter that fires around a write. */
abstract class Model
{
    /** @var array<string, mixed> */
    public array $rec;

    /** @param array<string, mixed> $rec */
    public function __construct(array $rec)
    {
        $this->rec = $rec + ['id' => 0];
    }

    /** @return mixed */
    public function __get(string $name)
    {
        return $this->rec[$name] ?? null;
    }

    /** @param mixed $value */
    public function __set(string $name, $value): void
    {
        $this->rec[$name] = $value;
    }

    public function __isset(string $name): bool
    {
        return isset($this->rec[$name]);
    }

    abstract protected static function table(): string;

    /** @return static|null */
    public static function find(int $id)
    {
        global $wpdb;
        $row = $wpdb->get_row($wpdb->prepare('SELECT * FROM %i WHERE id = %d', static::table(), $id), ARRAY_A);
        return $row === null ? null : new static($row);
    }

    protected function write(): void
    {
        global $wpdb;
        if ((int) $this->rec['id'] > 0) {
            $wpdb->update(static::table(), array_diff_key($this->rec, ['id' => 0]), ['id' => $this->rec['id']]);
            return;
        }
        $wpdb->insert(static::table(), array_diff_key($this->rec, ['id' => 0]));
        $this->rec['id'] = $wpdb->insert_id;
    }
}
