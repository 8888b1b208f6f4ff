<?php

/** A test site never sends mail and never asks wordpress.org for updates. */

add_filter('pre_wp_mail', '__return_true', PHP_INT_MAX);
add_action('init', static function (): void {
    foreach (['_maybe_update_core', '_maybe_update_plugins', '_maybe_update_themes'] as $look) {
        remove_action('admin_init', $look);
    }
});
