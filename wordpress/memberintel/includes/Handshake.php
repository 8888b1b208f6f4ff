<?php

namespace MemberIntel;

/** What the site is and what it can do. */
final class Handshake
{
    public const PROTOCOL = 1;

    private Database $db;
    private MemberPress $memberpress;
    private Entities $entities;

    public function __construct(Database $db, MemberPress $memberpress, Entities $entities)
    {
        $this->db = $db;
        $this->memberpress = $memberpress;
        $this->entities = $entities;
    }

    /** @return array<string, mixed> */
    public function site(): array
    {
        return [
            'protocol_min' => self::PROTOCOL,
            'protocol_max' => self::PROTOCOL,
            'plugin_version' => MEMBERINTEL_VERSION,
            'memberpress_version' => $this->memberpress->version(),
            'wordpress_version' => (string) get_bloginfo('version'),
            'php_version' => PHP_VERSION,
            'database_version' => (string) $this->db->value('SELECT VERSION()'),
            'home_url' => home_url(),
            'site_url' => site_url(),
            'name' => html_entity_decode((string) get_option('blogname'), ENT_QUOTES, 'UTF-8'),
            'timezone' => wp_timezone_string(),
            'locale' => get_locale(),
            'multisite' => is_multisite(),
            'currency' => $this->memberpress->currency(),
            'gateways' => $this->memberpress->gateways(),
            'custom_fields' => $this->memberpress->customFields(),
            'entities' => $this->extents(),
            'plans' => $this->posts('memberpressproduct'),
            'emails' => $this->memberpress->emails(),
            'reminders' => $this->posts('mp-reminder'),
            'capabilities' => ['changes', 'since_timestamp', 'sweep_choice', 'entity_choice', 'checksums', 'gzip', 'post',
                'disconnect', 'knock'],
            'limits' => [
                'page_default' => Api::PAGE,
                'page_max' => Api::PAGE_MAX,
                'seconds' => (int) Budget::SECONDS,
                'memory_limit' => Budget::memoryLimit(),
            ],
        ];
    }

    /** @return array<int, array<string, mixed>> */
    private function extents(): array
    {
        $extents = [];
        foreach ($this->entities->available() as $name => $entity) {
            $extents[] = ['name' => $name] + $entity->extent();
        }
        return $extents;
    }

    /** @return array<int, array<string, mixed>> */
    private function posts(string $type): array
    {
        $posts = $this->db->rows($this->db->prepare(
            "SELECT ID, post_title, post_status FROM %i WHERE post_type = %s AND post_status <> 'auto-draft' ORDER BY ID",
            $this->db->core('posts'),
            $type
        ));
        return array_map(static function (array $post): array {
            return ['id' => (int) $post['ID'], 'title' => $post['post_title'], 'status' => $post['post_status']];
        }, $posts);
    }
}
