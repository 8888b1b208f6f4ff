<?php

namespace MemberIntel;

/** Where the service is. An administrator says so, or wp-config.php does with MEMBERINTEL_SERVICE_URL. */
final class Service
{
    private const OPTION = 'memberintel_service';

    /** Without a slash at the end, '' when nobody has said. */
    public static function url(): string
    {
        $said = defined('MEMBERINTEL_SERVICE_URL') ? constant('MEMBERINTEL_SERVICE_URL') : get_option(self::OPTION, '');
        return self::acceptable((string) $said) ?? '';
    }

    public static function fixed(): bool
    {
        return defined('MEMBERINTEL_SERVICE_URL');
    }

    public static function remember(string $url): void
    {
        update_option(self::OPTION, $url, false);
    }

    /**
     * The address in its proper form, null when a key may not be sent there: it has to be https, but on this machine
     * itself or on a site that is under development.
     */
    public static function acceptable(string $url): ?string
    {
        $part = wp_parse_url(trim($url));
        if (!is_array($part) || empty($part['host']) || isset($part['user']) || isset($part['query']) || isset($part['fragment'])) {
            return null;
        }
        $near = in_array($part['host'], ['localhost', '127.0.0.1', '[::1]'], true)
            || in_array(wp_get_environment_type(), ['local', 'development'], true);
        $scheme = strtolower($part['scheme'] ?? '');
        if ($scheme !== 'https' && !($scheme === 'http' && $near)) {
            return null;
        }
        $port = isset($part['port']) ? ':' . $part['port'] : '';
        return $scheme . '://' . strtolower($part['host']) . $port . untrailingslashit($part['path'] ?? '');
    }
}
