<?php

namespace MemberIntel;

/** The body that every answer has. Rows come as JSON texts already, so that no second copy of them is built. */
final class Envelope
{
    /**
     * @param array<string, mixed> $head fields of this entity alone
     * @param string[] $rows JSON texts
     * @param array{deleted?: array<int, mixed>, next?: ?int, more?: bool, watermark?: ?string} $tail
     */
    public static function text(
        string $requestId,
        string $epoch,
        string $entity,
        array $head,
        array $rows,
        array $tail,
        Budget $budget
    ): string {
        $text = substr(Value::json([
            'protocol' => Handshake::PROTOCOL,
            'request_id' => $requestId,
            'site_id' => Epoch::siteId(),
            'epoch' => $epoch,
            'server_time' => gmdate('Y-m-d\TH:i:s\Z'),
            'entity' => $entity,
        ] + $head), 0, -1);
        $text .= ',"rows":[' . implode(',', $rows) . '],';
        $after = [
            'deleted' => $tail['deleted'] ?? [],
            'next' => $tail['next'] ?? null,
            'more' => $tail['more'] ?? false,
            'watermark' => $tail['watermark'] ?? null,
        ];
        return $text . substr(Value::json($after + $budget->figures() + ['warnings' => []]), 1);
    }

    public static function problem(string $requestId, Problem $problem): string
    {
        return Value::json([
            'protocol' => Handshake::PROTOCOL,
            'request_id' => $requestId,
            'site_id' => Epoch::siteId(),
            'server_time' => gmdate('Y-m-d\TH:i:s\Z'),
            'code' => $problem->name(),
            'message' => $problem->getMessage(),
            'data' => (object) $problem->data(),
        ]);
    }
}
