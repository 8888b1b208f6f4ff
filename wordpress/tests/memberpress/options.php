<?php

/** What matters of MemberPress' one option, with secrets where the real one has them. */

return [
    'currency_code' => 'USD',
    'currency_symbol' => '$',
    'mothership_license' => 'SECRET-LICENCE',
    'integrations' => [
        'rk3f9a-1c2' => [
            'id' => 'rk3f9a-1c2',
            'gateway' => 'MeprStripeGateway',
            'label' => 'Credit card',
            'test_mode' => false,
            'service_account_id' => 'acct_1QLakeside',
            'api_keys' => ['live' => ['public' => 'pk_live_x', 'secret' => 'sk_live_SECRET'],
                'test' => ['public' => 'pk_test_x', 'secret' => 'sk_test_SECRET']],
            'webhook_secret' => 'whsec_SECRET',
        ],
        'sv7b2c-9d4' => ['id' => 'sv7b2c-9d4', 'gateway' => 'MeprArtificialGateway', 'label' => 'Cheque', 'sandbox' => 'on'],
    ],
    'custom_fields' => [
        (object) ['field_key' => 'mepr_member_number', 'field_name' => 'Member number', 'field_type' => 'text'],
        (object) ['field_key' => 'mepr_play_days', 'field_name' => 'Play days', 'field_type' => 'checkboxes'],
        (object) ['field_key' => 'mepr_courts', 'field_name' => 'Courts', 'field_type' => 'multiselect'],
        (object) ['field_key' => 'session_tokens', 'field_name' => 'A trap', 'field_type' => 'text'],
    ],
    'emails' => [
        'MeprUserWelcomeEmail' => ['enabled' => 'on', 'subject' => 'Welcome to {$blog_name}', 'body' => 'PRIVATE BODY'],
        'MeprUserCancelledSubEmail' => ['enabled' => '', 'subject' => 'Your subscription was cancelled', 'body' => ''],
    ],
];
