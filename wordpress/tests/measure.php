<?php

/** What a full export, a sweep and a small increment cost on a large club: php measure.php, against a site that is served. */

namespace MemberIntel\Tests;

require __DIR__ . '/bootstrap.php';

World::clear();
$began = microtime(true);
passthru('mariadb --no-defaults -S ' . escapeshellarg(substr(DB_HOST, strlen('localhost:'))) . ' -uwp -pwp wp <'
    . escapeshellarg(__DIR__ . '/seed.sql') . ' >/dev/null');
printf("seeded in %.1f s\n", microtime(true) - $began);
$client = World::connect();

$handshake = $client->call('/sync');
printf("handshake %d ms\n", $handshake->json['elapsed_ms']);
$total = microtime(true);
printf("%-20s %8s %6s %9s %9s %9s %12s %10s\n", 'entity', 'rows', 'pages', 's', 'ms/page', 'worst ms', 'worst MB', 'bytes/row');
foreach ($handshake->json['site']['entities'] as $entity) {
    [$after, $rows, $pages, $worst, $memory, $bytes, $began] = [0, 0, 0, 0.0, 0, 0, microtime(true)];
    do {
        $asked = microtime(true);
        $page = $client->call("/sync/{$entity['name']}", ['after' => $after, 'limit' => (int) ($argv[1] ?? 1000)]);
        if (!$page->signed) {
            exit($page->raw);
        }
        $worst = max($worst, (microtime(true) - $asked) * 1000);
        $memory = max($memory, $page->json['mem_peak'] - $page->json['mem_base']);
        $bytes += strlen($page->raw);
        $rows += count($page->rows());
        $pages++;
        $after = $page->json['next'];
    } while ($page->json['more']);
    $took = microtime(true) - $began;
    printf(
        "%-20s %8d %6d %9.2f %9.1f %9.1f %12.2f %10d\n",
        $entity['name'],
        $rows,
        $pages,
        $took,
        $took * 1000 / $pages,
        $worst,
        $memory / 1048576,
        $rows > 0 ? $bytes / $rows : 0
    );
}
$total = microtime(true) - $total;
printf("full export %.2f s\n", $total);

$began = microtime(true);
$none = $client->changes($handshake->json['watermark']);
printf(
    "first changes with one sweep %.2f s, %d requests, %d rows\n",
    microtime(true) - $began,
    $none['requests'],
    array_sum(array_map('count', $none['rows']))
);
$GLOBALS['wpdb']->query("UPDATE {$GLOBALS['wpdb']->prefix}mepr_transactions SET total = 30 WHERE id % 2000 = 0");
$began = microtime(true);
$some = $client->changes($none['watermark']);
$swept = microtime(true) - $began;
printf(
    "100 rows by raw SQL and one sweep %.2f s, %d requests, %d rows\n",
    $swept,
    $some['requests'],
    array_sum(array_map('count', $some['rows']))
);
$marks = [];
for ($id = 3000; $id < 3100; $id++) {
    $GLOBALS['wpdb']->query("UPDATE {$GLOBALS['wpdb']->prefix}mepr_transactions SET total = 31 WHERE id = $id");
    $marks[] = "($id, 2, $id)";
}
$GLOBALS['wpdb']->query("INSERT INTO {$GLOBALS['wpdb']->prefix}mi_dirty VALUES " . implode(',', $marks));
$began = microtime(true);
$some = $client->changes($some['watermark'], 1000, false);
printf(
    "100 marked rows without a sweep %.3f s (%.2f %% of the export), %d rows\n",
    microtime(true) - $began,
    (microtime(true) - $began) / $total * 100,
    array_sum(array_map('count', $some['rows']))
);
