<?php

namespace MemberIntel;

/** The plugin's own tables. It never touches the shape of any other. */
final class Schema
{
    public const VERSION = '1';

    private const TABLES = ['mi_dirty', 'mi_state', 'mi_meta', 'mi_nonce'];
    private const OPTIONS = ['memberintel_schema', 'memberintel_connection', 'memberintel_service', 'memberintel_site_id'];

    private Database $db;

    public function __construct(Database $db)
    {
        $this->db = $db;
    }

    /** Makes what is missing; doing it twice changes nothing. */
    public function ensure(): void
    {
        if (get_option('memberintel_schema') === self::VERSION) {
            return;
        }
        $this->create();
        update_option('memberintel_schema', self::VERSION, true);
    }

    /**
     * mi_dirty: rows that a hook or the query watch saw change. Its key is drawn at random and not counted up, so that
     * writing a mark neither waits for anybody nor changes what LAST_INSERT_ID() says to the code around it.
     * mi_state: what was told last about each row, and under which number. mi_meta: counters, epoch, the sweep's place.
     * mi_nonce: nonces of the last minutes.
     */
    public function create(): void
    {
        $tail = 'ENGINE=InnoDB DEFAULT CHARSET=ascii';
        $this->db->run('CREATE TABLE IF NOT EXISTS ' . $this->db->table('mi_dirty') . " (
            id bigint unsigned NOT NULL,
            entity tinyint unsigned NOT NULL,
            row_id bigint unsigned NOT NULL,
            PRIMARY KEY (id)) $tail");
        $this->db->run('CREATE TABLE IF NOT EXISTS ' . $this->db->table('mi_state') . " (
            entity tinyint unsigned NOT NULL,
            row_id bigint unsigned NOT NULL,
            hash binary(8) NOT NULL,
            seq bigint unsigned NOT NULL DEFAULT 0,
            changed_at datetime NULL,
            deleted tinyint unsigned NOT NULL DEFAULT 0,
            PRIMARY KEY (entity, row_id),
            KEY seq (seq)) $tail");
        $this->db->run('CREATE TABLE IF NOT EXISTS ' . $this->db->table('mi_meta') . " (
            name varchar(32) NOT NULL,
            value varchar(191) NOT NULL,
            PRIMARY KEY (name)) $tail");
        $this->db->run('CREATE TABLE IF NOT EXISTS ' . $this->db->table('mi_nonce') . " (
            nonce char(32) NOT NULL,
            made_at bigint unsigned NOT NULL,
            PRIMARY KEY (nonce),
            KEY made_at (made_at)) $tail");
    }

    /** Drops everything that the plugin ever stored on this site. */
    public function remove(): void
    {
        foreach (self::TABLES as $table) {
            $this->db->run('DROP TABLE IF EXISTS ' . $this->db->table($table));
        }
        foreach (self::OPTIONS as $option) {
            delete_option($option);
        }
        delete_metadata('user', 0, 'memberintel_connecting', '', true);
        delete_metadata('user', 0, 'memberintel_notice', '', true);
        wp_clear_scheduled_hook('memberintel_tick');
    }
}
