<?php

namespace MemberIntel\Tests;

/** What other plugins, hosts and their owners do to a site. Commands at the terminal are spared. */
final class Host
{
    /** A plugin that must be used, by what it makes of the site. */
    private const CODE = [
        'plain_permalinks' => "add_filter('pre_option_permalink_structure', '__return_empty_string');",
        'renamed_prefix' => "add_filter('rest_url_prefix', static function () { return 'api'; });",
        'all_content' => "add_action('template_redirect', static function () {
            wp_redirect(home_url('/login/?action=mepr_unauthorized&redirect_to=x')); exit; });
            add_filter('the_posts', '__return_empty_array');",
        'restricted_rest' => "add_filter('rest_authentication_errors', static function () {
            return is_user_logged_in() ? null : new WP_Error('rest_not_logged_in', 'Sign in.', ['status' => 401]); });",
        'login_wall' => "add_action('parse_request', static function () {
            if (!is_user_logged_in()) { wp_redirect(wp_login_url()); exit; } }, 1);",
        'no_rest' => "remove_action('parse_request', 'rest_api_loaded'); add_action('init', static function () {
            remove_action('parse_request', 'rest_api_loaded'); });",
        'noise' => "echo \"\\xEF\\xBB\\xBF\\n<br />\\n<b>Notice</b>: Undefined index: x in <b>functions.php</b> on line <b>7</b>\\n\";
            add_action('shutdown', static function () { echo \"\\n<!-- Page generated in 0.2 s -->\"; });",
        'without_plugin' => "add_filter('option_active_plugins', static function (\$all) {
            return array_diff(\$all, ['memberintel/memberintel.php']); });",
        'without_memberpress' => "add_filter('option_active_plugins', static function (\$all) {
            return array_diff(\$all, ['memberpress/memberpress.php']); });",
        'fatal' => "add_action('rest_api_init', static function () { no_such_function(); });",
        'mute' => "add_filter('pre_http_request', static function () {
            return new WP_Error('http_request_failed', 'cURL error 28'); });",
    ];

    public static function become(string $name): void
    {
        $site = getenv('MEMBERINTEL_TEST_SITE');
        foreach (array_merge(glob("$site/wp-content/mu-plugins/host-*.php") ?: [], ["$site/.maintenance"]) as $file) {
            @unlink($file);
        }
        if ($name === 'maintenance') {
            file_put_contents("$site/.maintenance", "<?php \$upgrading = PHP_SAPI === 'cli' ? 0 : time();");
        } elseif ($name !== 'open') {
            // A name of its own each time, since a byte code cache looks at a file it knows only every other second.
            $file = "$site/wp-content/mu-plugins/host-" . bin2hex(random_bytes(4)) . '.php';
            file_put_contents($file, "<?php if (PHP_SAPI !== 'cli') { " . self::CODE[$name] . ' }');
        }
    }
}
