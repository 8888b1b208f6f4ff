<?php

namespace MemberIntel\Entity;

use MemberIntel\Entity;
use MemberIntel\Value;

/** MemberPress' own history, without the arguments, which may hold anything. */
final class Events extends Entity
{
    private const COLUMNS = ['id', 'event', 'evt_id', 'evt_id_type', 'created_at'];

    public function name(): string
    {
        return 'events';
    }

    public function code(): int
    {
        return 9;
    }

    public function table(): string
    {
        return $this->db->table('mepr_events');
    }

    public function rows(array $ids): array
    {
        $rows = [];
        foreach ($this->stored(self::COLUMNS, $ids) as $id => $event) {
            $rows[$id] = [
                'id' => (int) $id,
                'event' => Value::text($event['event']),
                'object_type' => Value::text($event['evt_id_type']),
                'object_id' => Value::id($event['evt_id']),
                'created_at' => Value::time($event['created_at']),
            ];
        }
        return $rows;
    }

    protected function parts(): array
    {
        return $this->covered(self::COLUMNS);
    }
}
