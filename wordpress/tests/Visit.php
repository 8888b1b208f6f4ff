<?php

namespace MemberIntel\Tests;

use MemberIntel\Capture;
use MemberIntel\Database;
use MemberIntel\Plugin;

/** A visit to the site within this process: what capture hangs in at the beginning, and what it does at the end. */
final class Visit
{
    /** @var array<string, mixed> */
    private array $hooks;
    public Plugin $plugin;

    public function __construct()
    {
        global $wp_filter, $wpdb;
        $this->hooks = array_map(static function (\WP_Hook $hook): \WP_Hook {
            return clone $hook;
        }, $wp_filter);
        remove_all_actions('shutdown');
        $this->plugin = new Plugin(new Database($wpdb), __FILE__);
        (new Capture($this->plugin->db(), $this->plugin->marks(), $this->plugin->keys(), $this->plugin->knock()))->register();
    }

    public function end(): void
    {
        do_action('shutdown');
        $GLOBALS['wp_filter'] = $this->hooks;
    }
}
