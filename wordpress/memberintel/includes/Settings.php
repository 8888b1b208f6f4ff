<?php

namespace MemberIntel;

/** The screen under MemberPress, and what its buttons do. Every action needs manage_options and its own nonce. */
final class Settings
{
    public const CAPABILITY = 'manage_options';
    public const SLUG = 'memberintel';

    private const NOTICE = 'memberintel_notice';
    private const ACTIONS = ['connect', 'key', 'disconnect', 'moved', 'copy'];

    private Plugin $plugin;

    public function __construct(Plugin $plugin)
    {
        $this->plugin = $plugin;
    }

    public function register(): void
    {
        add_action('admin_menu', [$this, 'menu'], 99);
        add_action('admin_init', [$this, 'callback']);
        foreach (self::ACTIONS as $action) {
            add_action("admin_post_memberintel_$action", function () use ($action): void {
                $this->act($action);
            });
        }
        add_filter('plugin_action_links_' . plugin_basename($this->plugin->file()), static function (array $links): array {
            $label = esc_html__('Settings', 'memberintel');
            array_unshift($links, '<a href="' . esc_url(self::url()) . '">' . $label . '</a>');
            return $links;
        });
    }

    public static function url(): string
    {
        return admin_url('admin.php?page=' . self::SLUG);
    }

    /** Below MemberPress, or on its own where MemberPress is off: the callback's address has to work either way. */
    public function menu(): void
    {
        $draw = function (): void {
            $notice = $this->takeNotice();
            (new Screen($this->plugin))->draw($notice);
        };
        if ($this->plugin->memberpress()->active()) {
            add_submenu_page('memberpress', 'MemberIntel', 'MemberIntel', self::CAPABILITY, self::SLUG, $draw);
            return;
        }
        add_menu_page('MemberIntel', 'MemberIntel', self::CAPABILITY, self::SLUG, $draw, 'dashicons-chart-area');
    }

    /** The browser comes back from the service. The state stands for the nonce: it is the user's own, and good once. */
    public function callback(): void
    {
        // phpcs:disable WordPress.Security.NonceVerification.Recommended -- see above.
        $page = isset($_GET['page']) ? sanitize_key(wp_unslash($_GET['page'])) : '';
        if ($page !== self::SLUG || !isset($_GET['mi_callback']) || wp_doing_ajax()) {
            return;
        }
        if (!current_user_can(self::CAPABILITY)) {
            wp_die(esc_html__('You are not allowed to connect this site.', 'memberintel'), '', ['response' => 403]);
        }
        $state = isset($_GET['state']) ? sanitize_text_field(wp_unslash($_GET['state'])) : '';
        $code = isset($_GET['code']) ? sanitize_text_field(wp_unslash($_GET['code'])) : '';
        // phpcs:enable
        $this->leave(['notice' => $this->plugin->connect()->finish(get_current_user_id(), $state, $code)]);
    }

    /** What a button asks for. */
    public function act(string $action): void
    {
        if (!current_user_can(self::CAPABILITY)) {
            wp_die(esc_html__('You are not allowed to connect this site.', 'memberintel'), '', ['response' => 403]);
        }
        check_admin_referer("memberintel_$action");
        if ($action === 'connect') {
            $this->connect();
        }
        if ($action === 'key') {
            $this->leave(['notice' => 'key'] + $this->plugin->connect()->byHand(get_current_user_id()));
        }
        if ($action === 'moved') {
            $this->plugin->keys()->settle();
            $this->leave(['notice' => 'moved']);
        }
        $this->plugin->connect()->end();
        if ($action === 'copy') {
            delete_option('memberintel_site_id');
        }
        $this->leave(['notice' => 'disconnected']);
    }

    private function connect(): void
    {
        $service = Service::url();
        if (!Service::fixed()) {
            // phpcs:ignore WordPress.Security.NonceVerification.Missing -- act() has checked it.
            $typed = isset($_POST['service']) ? sanitize_text_field(wp_unslash($_POST['service'])) : '';
            $service = Service::acceptable($typed) ?? '';
        }
        if ($service === '') {
            $this->leave(['notice' => 'address']);
        }
        if (!Service::fixed()) {
            Service::remember($service);
        }
        // phpcs:ignore WordPress.Security.SafeRedirect -- another site by intent, which the administrator named.
        wp_redirect($this->plugin->connect()->begin(get_current_user_id(), $service));
        exit;
    }

    /** Back to the screen, which says once how it went. @param array<string, string> $notice */
    private function leave(array $notice): void
    {
        update_user_meta(get_current_user_id(), self::NOTICE, Seal::close(Value::json($notice)));
        wp_safe_redirect(self::url());
        exit;
    }

    /** @return array<string, string> */
    private function takeNotice(): array
    {
        $sealed = get_user_meta(get_current_user_id(), self::NOTICE, true);
        if (!is_string($sealed) || $sealed === '') {
            return [];
        }
        delete_user_meta(get_current_user_id(), self::NOTICE);
        return (array) json_decode((string) Seal::open($sealed), true);
    }
}
