<?php

namespace MemberIntel;

/** Draws the screen: how the connection stands, what is shared, and the buttons. */
final class Screen
{
    private Plugin $plugin;

    public function __construct(Plugin $plugin)
    {
        $this->plugin = $plugin;
    }

    /** @param array<string, string> $notice what just happened, [] when nothing did */
    public function draw(array $notice): void
    {
        $this->plugin->schema()->ensure();
        $keys = $this->plugin->keys();
        echo '<div class="wrap"><h1>MemberIntel</h1>';
        $this->notice($notice);
        if (!$this->plugin->memberpress()->active()) {
            $this->box('error', __('MemberPress is not active, so there is nothing to share.', 'memberintel'));
        }
        if ($keys->moved()) {
            $this->moved();
        } elseif ($keys->connected()) {
            $this->connected();
        } else {
            $this->disconnected();
        }
        $this->shared();
        echo '</div>';
    }

    /** @param array<string, string> $notice */
    private function notice(array $notice): void
    {
        $sentences = [
            'connected' => ['success', __('This site has its key. MemberIntel will make contact in a moment.', 'memberintel')],
            'waiting' => ['warning', __('This server cannot call out. MemberIntel will call this site instead; look here again in a minute.', 'memberintel')],
            'unsafe' => ['error', __('This server cannot call out, and MemberIntel brings a key only to a site with https://. Make a key here instead.', 'memberintel')],
            'denied' => ['warning', __('Nothing was connected: the request was declined.', 'memberintel')],
            'stale' => ['error', __('That answer does not belong to a connection that you began here within ten minutes. Please begin again.', 'memberintel')],
            'refused' => ['error', __('MemberIntel did not accept the code. Please begin again.', 'memberintel')],
            'address' => ['error', __('That is no address to connect to. It begins with https://.', 'memberintel')],
            'moved' => ['success', __('The connection goes on under the new address.', 'memberintel')],
            'disconnected' => ['success', __('This site is no longer connected.', 'memberintel')],
        ];
        $is = $notice['notice'] ?? '';
        if (isset($sentences[$is])) {
            $this->box($sentences[$is][0], $sentences[$is][1]);
        }
        if ($is === 'key') {
            $this->box('warning', __('This key is shown once. Give it to MemberIntel now:', 'memberintel'));
            $row = '<tr><th scope="row">%s</th><td><code>%s</code></td></tr>';
            echo '<table class="form-table" role="presentation">';
            printf($row, esc_html__('Key id', 'memberintel'), esc_html($notice['key_id'] ?? ''));
            printf($row, esc_html__('Secret', 'memberintel'), esc_html($notice['secret'] ?? ''));
            printf($row, esc_html__('Site', 'memberintel'), esc_html(home_url()));
            echo '</table>';
        }
    }

    private function connected(): void
    {
        $about = $this->plugin->keys()->about();
        if ($this->plugin->keys()->own() === null) {
            $this->box('error', __('The key cannot be opened any more, because the salts in wp-config.php have changed. Please connect again.', 'memberintel'));
        }
        if (!$about['used'] && $about['made_at'] < time() - 5 * MINUTE_IN_SECONDS) {
            $this->box('warning', __('MemberIntel has not used the key that this site has. If that does not change within minutes, disconnect here and connect again.', 'memberintel'));
        }
        $contact = $this->plugin->meta()->number('contact_at');
        $synced = $this->plugin->meta()->number('synced_at');
        $state = $about['used']
            ? __('Connected', 'memberintel')
            : __('Waiting for the first contact', 'memberintel');
        echo '<h2>' . esc_html__('Connection', 'memberintel') . '</h2><table class="form-table" role="presentation">';
        $this->row(__('State', 'memberintel'), $state);
        if ($about['tenant'] !== '') {
            $this->row(__('Account', 'memberintel'), $about['tenant']);
        }
        if ($about['service'] !== '') {
            $this->row(__('Service', 'memberintel'), $about['service']);
        }
        $this->row(__('Connected since', 'memberintel'), $this->moment($about['made_at']));
        $this->row(__('Last contact', 'memberintel'), $this->moment($contact));
        $this->row(__('Last sync', 'memberintel'), $this->moment($synced));
        echo '</table>';
        $this->button('disconnect', __('Disconnect', 'memberintel'), 'secondary');
    }

    private function disconnected(): void
    {
        echo '<h2>' . esc_html__('Connection', 'memberintel') . '</h2><p>';
        esc_html_e('This site is not connected. Connect leads you to MemberIntel, where you sign in and see what will be read before you agree.', 'memberintel');
        echo '</p>';
        $this->open('connect');
        if (!Service::fixed()) {
            printf(
                '<p><label for="memberintel-service">%s</label><br><input type="url" class="regular-text" '
                . 'id="memberintel-service" name="service" value="%s" placeholder="https://" required></p>',
                esc_html__('Address of MemberIntel', 'memberintel'),
                esc_attr(Service::url())
            );
        }
        submit_button(__('Connect', 'memberintel'), 'primary', 'submit', true);
        echo '</form><h3>' . esc_html__('Connect with a key', 'memberintel') . '</h3><p>';
        esc_html_e('For a MemberIntel that you run yourself: make a key here and give it to the command "memberintel connect memberpress".', 'memberintel');
        echo '</p>';
        $this->button('key', __('Make a key', 'memberintel'), 'secondary');
    }

    private function moved(): void
    {
        $this->box('warning', __('This site has another address than when it was connected, so nothing is shared.', 'memberintel'));
        echo '<h2>' . esc_html__('Has the site moved, or is this a copy?', 'memberintel') . '</h2><p>';
        esc_html_e('If the site has moved here for good, the connection goes on. If this is a copy, a staging site for example, it has to be separated, so that its data is not taken for the real one.', 'memberintel');
        echo '</p>';
        $this->button('moved', __('The site has moved here', 'memberintel'), 'primary');
        $this->button('copy', __('This is a copy: separate it', 'memberintel'), 'secondary');
    }

    private function shared(): void
    {
        $shared = [
            'members' => __('Members: name, e-mail address, login name, address, roles, custom fields of MemberPress, last login, customer ids of payment gateways', 'memberintel'),
            'transactions' => __('Transactions: amounts, taxes, status, dates, number at the gateway', 'memberintel'),
            'subscriptions' => __('Subscriptions: price, period, status, dates', 'memberintel'),
            'products' => __('Memberships: title, price, period', 'memberintel'),
            'rules' => __('Rules: what is protected, and who may see it', 'memberintel'),
            'coupons' => __('Coupons: code, discount, dates', 'memberintel'),
            'groups' => __('Groups of memberships', 'memberintel'),
            'orders' => __('Orders', 'memberintel'),
            'events' => __('MemberPress events: what happened when', 'memberintel'),
            'corporate_accounts' => __('Corporate accounts', 'memberintel'),
        ];
        echo '<h2>' . esc_html__('What is shared', 'memberintel') . '</h2><ul class="ul-disc">';
        foreach ($this->plugin->entities()->available() as $name => $entity) {
            $count = number_format_i18n($entity->extent()['count']);
            printf('<li>%s (%s)</li>', esc_html($shared[$name] ?? $name), esc_html($count));
        }
        echo '</ul><p>';
        esc_html_e('Never shared: passwords, card numbers, what gateways answered, tokens, and any other user data.', 'memberintel');
        echo '</p>';
    }

    private function row(string $name, string $value): void
    {
        printf('<tr><th scope="row">%s</th><td>%s</td></tr>', esc_html($name), esc_html($value));
    }

    private function moment(int $at): string
    {
        if ($at === 0) {
            return __('never', 'memberintel');
        }
        return (string) wp_date(get_option('date_format') . ' ' . get_option('time_format'), $at);
    }

    private function box(string $kind, string $sentence): void
    {
        printf('<div class="notice notice-%s"><p>%s</p></div>', esc_attr($kind), esc_html($sentence));
    }

    private function open(string $action): void
    {
        printf('<form method="post" action="%s">', esc_url(admin_url('admin-post.php')));
        printf('<input type="hidden" name="action" value="%s">', esc_attr("memberintel_$action"));
        wp_nonce_field("memberintel_$action");
    }

    private function button(string $action, string $label, string $kind): void
    {
        $this->open($action);
        submit_button($label, $kind, 'submit', false);
        echo '</form>';
    }
}
