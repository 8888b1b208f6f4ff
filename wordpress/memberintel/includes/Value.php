<?php

namespace MemberIntel;

/** From what the tables hold to what the protocol says. */
final class Value
{
    /** MemberPress stores UTC; a zero date means none. */
    public static function time(?string $stored): ?string
    {
        if ($stored === null || strlen($stored) < 19 || strpos($stored, '0000') === 0 || strpos($stored, '-00') !== false) {
            return null;
        }
        return substr($stored, 0, 10) . 'T' . substr($stored, 11, 8) . 'Z';
    }

    /** Whether access never ends: there is no date, or the zero one. A malformed date does not say so. */
    public static function never(?string $stored): bool
    {
        return $stored === null || $stored === '0000-00-00 00:00:00';
    }

    /** When access ends. A malformed date is told as it stands, for the reader to set the row aside; never as none. */
    public static function until(?string $stored): ?string
    {
        return self::never($stored) ? null : (self::time($stored) ?? $stored);
    }

    /** @param mixed $stored seconds since 1970, as post meta holds them */
    public static function moment($stored): ?string
    {
        return is_numeric($stored) && (int) $stored > 0 ? gmdate('Y-m-d\TH:i:s\Z', (int) $stored) : null;
    }

    /** Amounts of the tables are decimals already; those of post meta are whatever was typed. @param mixed $stored */
    public static function money($stored): string
    {
        if (is_string($stored) && preg_match('/^-?\d+\.\d\d$/', $stored)) {
            return $stored;
        }
        return is_numeric($stored) ? number_format((float) $stored, 2, '.', '') : '0.00';
    }

    /** @param mixed $stored an id, of which 0 means none */
    public static function id($stored): ?int
    {
        $id = is_numeric($stored) ? (int) $stored : 0;
        return $id > 0 ? $id : null;
    }

    /** @param mixed $stored */
    public static function number($stored): int
    {
        return is_numeric($stored) ? (int) $stored : 0;
    }

    /** @param mixed $stored MemberPress writes '1', 'on', 'true', '0', '' and nothing at all */
    public static function flag($stored): bool
    {
        return is_bool($stored) ? $stored : in_array(strtolower((string) $stored), ['1', 'on', 'true', 'yes'], true);
    }

    /** @param mixed $stored */
    public static function text($stored): string
    {
        return is_scalar($stored) ? (string) $stored : '';
    }

    /**
     * What a meta value holds. Objects are never brought to life.
     *
     * @return mixed
     */
    public static function meta(?string $stored)
    {
        if ($stored === null) {
            return '';
        }
        return is_serialized($stored) ? unserialize(trim($stored), ['allowed_classes' => false]) : $stored;
    }

    /**
     * A custom field's value: a text, or the chosen ones of a field of several. Null when it is empty.
     *
     * @return string|string[]|null
     */
    public static function choice(?string $stored)
    {
        $value = self::meta($stored);
        if (!is_array($value)) {
            $text = self::text($value);
            return $text === '' ? null : $text;
        }
        $chosen = [];
        foreach ($value as $key => $item) {
            if (is_string($key)) {
                $item = self::flag($item) ? $key : '';
            }
            if (self::text($item) !== '') {
                $chosen[] = self::text($item);
            }
        }
        return $chosen === [] ? null : $chosen;
    }

    /** @param mixed $value */
    public static function json($value): string
    {
        $flags = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE | JSON_THROW_ON_ERROR;
        return json_encode($value, $flags);
    }
}
