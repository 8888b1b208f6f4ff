<?php

namespace MemberIntel;

/**
 * What is told of MemberPress' settings. They are one option that also holds the secrets of the gateways, so each value
 * is taken by name and nothing is passed on as a whole.
 */
final class MemberPress
{
    /** @var array<string, mixed>|null */
    private ?array $options = null;

    public function active(): bool
    {
        return defined('MEPR_VERSION') || defined('MEPR_PLUGIN_SLUG');
    }

    public function version(): string
    {
        return defined('MEPR_VERSION') ? (string) constant('MEPR_VERSION') : '';
    }

    /** Upper-case, for the whole site: MemberPress keeps none by row. */
    public function currency(): string
    {
        $code = strtoupper(Value::text($this->option('currency_code')));
        return preg_match('/^[A-Z]{3}$/', $code) ? $code : 'USD';
    }

    /** @return array<int, array<string, mixed>> */
    public function gateways(): array
    {
        $gateways = [];
        foreach ((array) $this->option('integrations') as $id => $settings) {
            $settings = (array) $settings;
            $account = Value::text($settings['service_account_id'] ?? '');
            $gateways[] = [
                'id' => (string) $id,
                'class' => Value::text($settings['gateway'] ?? ''),
                'label' => Value::text($settings['label'] ?? ''),
                'test' => Value::flag($settings['test_mode'] ?? ($settings['sandbox'] ?? false)),
                'account' => $account === '' ? null : $account,
            ];
        }
        return $gateways;
    }

    /** @return array<int, array{key: string, name: string, type: string}> */
    public function customFields(): array
    {
        $fields = [];
        foreach ((array) $this->option('custom_fields') as $field) {
            $field = (array) $field;
            $key = Value::text($field['field_key'] ?? '');
            // A field of this name would let whoever edits MemberPress' settings read what is none of ours.
            if (preg_match('/^mepr[_-][A-Za-z0-9_-]{1,180}$/', $key)) {
                $fields[] = [
                    'key' => $key,
                    'name' => Value::text($field['field_name'] ?? ''),
                    'type' => Value::text($field['field_type'] ?? ''),
                ];
            }
        }
        return $fields;
    }

    /** Which mails MemberPress sends, without their texts. @return array<int, array<string, mixed>> */
    public function emails(): array
    {
        $emails = [];
        foreach ((array) $this->option('emails') as $name => $settings) {
            $settings = (array) $settings;
            $emails[] = [
                'name' => (string) $name,
                'enabled' => Value::flag($settings['enabled'] ?? false),
                'subject' => Value::text($settings['subject'] ?? ''),
            ];
        }
        return $emails;
    }

    /** @return mixed */
    private function option(string $name)
    {
        if ($this->options === null) {
            $options = get_option('mepr_options');
            $this->options = is_array($options) ? $options : [];
        }
        return $this->options[$name] ?? null;
    }
}
