<?php

/** A test site never sends mail. */

add_filter('pre_wp_mail', '__return_true', PHP_INT_MAX);
