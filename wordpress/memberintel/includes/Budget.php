<?php

namespace MemberIntel;

/** How long an answer may take and how much memory it may use. What is left over comes with the next request. */
final class Budget
{
    public const SECONDS = 8.0;

    private float $began;
    private float $seconds;
    private int $base;
    private int $most;

    public function __construct(float $began, float $seconds, int $limit)
    {
        $this->began = $began;
        $this->seconds = $seconds;
        $this->base = memory_get_usage();
        $this->most = $limit <= 0 ? PHP_INT_MAX : $this->base + intdiv(max(0, $limit - $this->base), 2);
    }

    /** From when PHP began with this request, within what PHP allows. */
    public static function ofRequest(): self
    {
        if (function_exists('memory_reset_peak_usage')) {
            memory_reset_peak_usage();
        }
        $began = isset($_SERVER['REQUEST_TIME_FLOAT']) ? (float) $_SERVER['REQUEST_TIME_FLOAT'] : microtime(true);
        $allowed = (int) ini_get('max_execution_time');
        $seconds = $allowed > 0 ? min(self::SECONDS, $allowed * 0.6) : self::SECONDS;
        return new self($began, $seconds, self::memoryLimit());
    }

    /** In bytes, -1 for none. */
    public static function memoryLimit(): int
    {
        $limit = (string) ini_get('memory_limit');
        return (int) $limit <= 0 ? -1 : (int) wp_convert_hr_to_bytes($limit);
    }

    /** Whether this share of the time, or the memory, is used up. */
    public function spent(float $share = 1.0): bool
    {
        return microtime(true) - $this->began >= $this->seconds * $share || memory_get_usage() >= $this->most;
    }

    /** @return array{elapsed_ms: int, mem_base: int, mem_peak: int} */
    public function figures(): array
    {
        return [
            'elapsed_ms' => (int) round((microtime(true) - $this->began) * 1000),
            'mem_base' => $this->base,
            'mem_peak' => memory_get_peak_usage(),
        ];
    }
}
