<?php

namespace MemberIntel;

/**
 * Recognises writes to the tables that are told, whoever makes them: MemberPress past its own hooks, add-ons, other
 * plugins. It sees each statement before it runs and only reads it. What it cannot tell exactly becomes a mark for all
 * rows of the kind; what it misses, the sweep finds.
 */
final class QueryWatch
{
    private const WRITE = '/^\s*(INSERT|REPLACE|UPDATE|DELETE|TRUNCATE|COMMIT)\b'
        . '(?:\s+(?:LOW_PRIORITY|HIGH_PRIORITY|DELAYED|QUICK|IGNORE|TABLE|INTO|FROM))*\s*(?:`?[\w$]+`?\s*\.\s*)?`?([\w$]*)`?/i';

    private Database $db;
    private Marks $marks;

    /** @var array<string, array{int, string}> kind, and the column that names the row, by table */
    private array $tables = [];

    /** @var array{string, int}|null an insert whose id is known once it has run: the statement and the kind */
    private ?array $inserting = null;

    public function __construct(Database $db, Marks $marks)
    {
        $this->db = $db;
        $this->marks = $marks;
        $own = [
            'mepr_transactions' => [2, 'id'],
            'mepr_transaction_meta' => [2, 'transaction_id'],
            'mepr_subscriptions' => [3, 'id'],
            'mepr_subscription_meta' => [3, 'subscription_id'],
            'mepr_rule_access_conditions' => [5, 'rule_id'],
            'mepr_orders' => [8, 'id'],
            'mepr_events' => [9, 'id'],
            'mepr_corporate_accounts' => [10, 'id'],
        ];
        foreach ($own as $table => $names) {
            $this->tables[strtolower($db->table($table))] = $names;
        }
        $core = [
            'users' => [1, 'id'],
            'usermeta' => [1, 'user_id'],
            'posts' => [Marks::POST, 'id'],
            'postmeta' => [Marks::POST, 'post_id'],
        ];
        foreach ($core as $table => $names) {
            $this->tables[strtolower($db->core($table))] = $names;
        }
    }

    /** For WordPress' filter `query`. It gives back what it got, always. @param mixed $sql @return mixed */
    public function see($sql)
    {
        try {
            $this->settle();
            // Nearly every statement is a SELECT: one look at one letter must do for those.
            $first = is_string($sql) && $sql !== '' ? $sql[0] : '';
            if ($first !== 'S' && $first !== 's' && $first !== '') {
                $this->read($sql);
            }
        } catch (\Throwable $broken) {
            // The visitor's work goes on, and the sweep finds what was missed.
            return $sql;
        }
        return $sql;
    }

    /** Asks for the id of the insert that has run since, if it was one of ours to watch. */
    public function settle(): void
    {
        if ($this->inserting === null) {
            return;
        }
        [$sql, $kind] = $this->inserting;
        $this->inserting = null;
        if ($this->db->lastStatement() !== $sql) {
            return;
        }
        $first = $this->db->lastId();
        $n = $this->db->lastTouched();
        if ($first === 0 || $n < 1 || $n > 100) {
            $this->marks->add($kind, 0);
            return;
        }
        for ($id = $first; $id < $first + $n; $id++) {
            $this->marks->add($kind, $id);
        }
    }

    private function read(string $sql): void
    {
        if (!preg_match(self::WRITE, $sql, $is)) {
            return;
        }
        $verb = strtoupper($is[1]);
        if ($verb === 'COMMIT') {
            $this->marks->flush();
            return;
        }
        $of = $this->tables[strtolower($is[2])] ?? null;
        if ($of === null) {
            $this->search($sql);
            return;
        }
        [$kind, $column] = $of;
        if ($verb === 'INSERT' && $column === 'id') {
            $this->inserting = [$sql, $kind];
            return;
        }
        $ids = $verb === 'INSERT' ? self::inserted($sql, $column) : [];
        if ($verb === 'UPDATE' || $verb === 'DELETE') {
            $ids = self::named($sql, $column);
        }
        // WordPress deletes meta by its own id, at each sign-out for example. Whose it was is told by a hook; to sweep all
        // users or posts for it would be too much.
        if ($ids === [] && ($kind === Marks::POST || strpos($sql, 'umeta_id') !== false)) {
            return;
        }
        foreach ($ids === [] ? [0] : $ids as $id) {
            $this->marks->add($kind, $id);
        }
    }

    /** A write whose first table is none of ours may still join one. */
    private function search(string $sql): void
    {
        if (stripos($sql, 'mepr_') === false || stripos($sql, 'options') !== false) {
            return;
        }
        foreach ($this->tables as $table => [$kind]) {
            if (strpos($table, 'mepr_') !== false && stripos($sql, $table) !== false) {
                $this->marks->add($kind, 0);
            }
        }
    }

    /**
     * The rows that a WHERE names one by one, none when it says it in another way.
     *
     * @return int[]
     */
    private static function named(string $sql, string $column): array
    {
        $bare = (string) preg_replace("/'(?!\\d+')(?>[^'\\\\]+|\\\\.|'')*+'/s", "''", $sql);
        $at = strripos($bare, 'WHERE');
        $where = $at === false ? '' : substr($bare, $at + 5);
        if ($where === '' || preg_match('/\bOR\b/i', $where)) {
            return [];
        }
        if (!preg_match("/(?<![\\w$])`?$column`?\\s*(?:=\\s*'?(\\d+)\\b|IN\\s*\\(([\\d\\s,']+)\\))/i", $where, $is)) {
            return [];
        }
        preg_match_all('/\d+/', $is[2] ?? $is[1], $ids);
        return array_map('intval', $ids[0]);
    }

    /**
     * The parent that an insert of one child names, none when it inserts several.
     *
     * @return int[]
     */
    private static function inserted(string $sql, string $column): array
    {
        if (!preg_match('/\(([^()]*)\)\s*VALUES\s*\(/i', $sql, $is, PREG_OFFSET_CAPTURE) || strpos($sql, '), (') !== false) {
            return [];
        }
        $columns = array_map(static function (string $name): string {
            return strtolower(trim($name, " \t\r\n`"));
        }, explode(',', $is[1][0]));
        $place = array_search($column, $columns, true);
        if ($place === false) {
            return [];
        }
        $values = substr($sql, $is[0][1] + strlen($is[0][0]));
        $value = "(?:'(?>[^'\\\\]+|\\\\.|'')*+'|[^,']+)";
        if (!preg_match("/^(?:\\s*$value\\s*,){{$place}}\\s*'?(\\d+)'?/s", $values, $id)) {
            return [];
        }
        return [(int) $id[1]];
    }
}
