<?php

namespace MemberIntel\Tests;

use MemberIntel\Signature;

/** The service's side of the protocol over real HTTP, with everything about a request open to be spoilt. */
final class Client
{
    public string $url;
    public string $keyId;
    public string $secret;
    public bool $pretty = false;

    public function __construct(string $url, string $keyId, string $secret)
    {
        $this->url = $url;
        $this->keyId = $keyId;
        $this->secret = $secret;
    }

    /**
     * A signed request. The changes may replace headers (null takes one away), the timestamp, the nonce, or the URL.
     *
     * @param array<string, string|int> $query
     * @param array<string, mixed> $changes
     */
    public function call(string $path, array $query = [], string $method = 'GET', string $body = '', array $changes = []): Reply
    {
        $route = '/memberintel/v1' . $path;
        $requestId = $changes['request_id'] ?? bin2hex(random_bytes(8));
        if ($method === 'GET') {
            $query['mi_request'] = $requestId;
        }
        $query = array_map('strval', $query);
        $timestamp = (string) ($changes['timestamp'] ?? time());
        $nonce = $changes['nonce'] ?? bin2hex(random_bytes(16));
        $lines = Signature::request($method, $route, $query, $body, $timestamp, $nonce, $this->keyId);
        $headers = ($changes['headers'] ?? []) + [
            'X-MemberIntel-Key-Id' => $this->keyId,
            'X-MemberIntel-Timestamp' => $timestamp,
            'X-MemberIntel-Nonce' => $nonce,
            'X-MemberIntel-Request-Id' => $requestId,
            'X-MemberIntel-Protocol' => '1',
            'X-MemberIntel-Signature' => Signature::sign($this->secret, $lines),
            'Accept' => 'application/json',
        ];
        if ($body !== '') {
            $headers += ['Content-Type' => 'application/json'];
        }
        $url = $this->url . ($this->pretty ? "/wp-json$route?" : '/?rest_route=' . rawurlencode($route) . '&')
            . http_build_query($query, '', '&', PHP_QUERY_RFC3986) . ($changes['extra'] ?? '');
        return $this->send($method, $url, array_filter($headers, 'is_string'), $body, $requestId);
    }

    /**
     * All rows of an entity.
     *
     * @return array<int, array<string, mixed>> by id
     */
    public function all(string $entity, int $limit = 1000): array
    {
        $rows = [];
        $after = 0;
        do {
            $page = $this->call("/sync/$entity", ['after' => $after, 'limit' => $limit]);
            if ($page->status !== 200 || !$page->signed) {
                throw new \RuntimeException("$entity after $after: $page->status " . substr($page->raw, 0, 500));
            }
            $rows += array_column($page->rows(), null, 'id');
            $after = $page->json['next'];
        } while ($page->json['more']);
        return $rows;
    }

    /**
     * All changes since a watermark, and the watermark after them.
     *
     * @return array<string, mixed> rows by entity and id, deleted ids by entity, watermark, requests
     */
    public function changes(string $since, int $limit = 1000, bool $sweep = true, string $entities = ''): array
    {
        $all = ['rows' => [], 'deleted' => [], 'watermark' => $since, 'requests' => 0];
        do {
            $query = ['since' => $all['watermark'], 'limit' => $limit, 'sweep' => $sweep ? '1' : '0'];
            $query += $entities === '' ? [] : ['entities' => $entities];
            $page = $this->call('/sync/changes', $query);
            if ($page->status !== 200 || !$page->signed) {
                throw new \RuntimeException("changes: $page->status " . substr($page->raw, 0, 500));
            }
            $told = [];
            foreach ($page->rows() as $change) {
                $told[$change['seq']] = [$change['entity'], $change['row']['id'], $change['row']];
            }
            foreach ($page->json['deleted'] as $gone) {
                $told[$gone['seq']] = [$gone['entity'], $gone['id'], null];
            }
            ksort($told);
            foreach ($told as [$entity, $id, $row]) {
                unset($all['rows'][$entity][$id], $all['deleted'][$entity][$id]);
                if ($row === null) {
                    $all['deleted'][$entity][$id] = $id;
                } else {
                    $all['rows'][$entity][$id] = $row;
                }
            }
            $all['watermark'] = $page->json['watermark'];
            $all['requests']++;
        } while ($page->json['more']);
        return $all;
    }

    /** @param array<string, string> $headers */
    private function send(string $method, string $url, array $headers, string $body, string $requestId): Reply
    {
        $lines = [];
        foreach ($headers as $name => $value) {
            $lines[] = "$name: $value";
        }
        $got = [];
        $handle = curl_init($url);
        curl_setopt_array($handle, [
            CURLOPT_CUSTOMREQUEST => $method,
            CURLOPT_HTTPHEADER => $lines,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_ENCODING => 'gzip',
            CURLOPT_TIMEOUT => 60,
            CURLOPT_HEADERFUNCTION => static function ($_, string $line) use (&$got): int {
                $at = strpos($line, ':');
                if ($at !== false) {
                    $got[strtolower(substr($line, 0, $at))] = trim(substr($line, $at + 1));
                }
                return strlen($line);
            },
        ]);
        if ($method !== 'GET') {
            curl_setopt($handle, CURLOPT_POSTFIELDS, $body);
        }
        $raw = curl_exec($handle);
        if ($raw === false) {
            throw new \RuntimeException(curl_error($handle));
        }
        return new Reply((int) curl_getinfo($handle, CURLINFO_RESPONSE_CODE), $got, $raw, $requestId, $this->secret);
    }
}
