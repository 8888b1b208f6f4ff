<?php

namespace MemberIntel;

/** Puts the parts together and hangs them into WordPress. Parts are made when they are first asked for. */
final class Plugin
{
    private Database $db;
    private string $file;

    /** @var array<string, object> */
    private array $parts = [];

    public function __construct(Database $db, string $file)
    {
        $this->db = $db;
        $this->file = $file;
    }

    public function register(): void
    {
        add_action('rest_api_init', function (): void {
            (new Api($this))->register();
        });
        add_filter('rest_pre_serve_request', [Api::class, 'serve'], 10, 2);
        (new Capture($this->db, $this->marks(), $this->keys(), $this->knock()))->register();
        add_filter('cron_schedules', static function (array $schedules): array {
            $schedules['memberintel'] = ['interval' => 5 * MINUTE_IN_SECONDS, 'display' => 'MemberIntel'];
            return $schedules;
        });
        add_action('memberintel_tick', [$this->knock(), 'tick']);
        add_action('init', function (): void {
            load_plugin_textdomain('memberintel', false, dirname(plugin_basename($this->file)) . '/languages');
        });
        if (is_admin()) {
            (new Settings($this))->register();
        }
    }

    public static function activate(): void
    {
        $db = new Database($GLOBALS['wpdb']);
        (new Schema($db))->create();
        (new Schema($db))->ensure();
        if ((new Keys())->connected()) {
            Knock::schedule();
        }
    }

    public static function deactivate(): void
    {
        wp_clear_scheduled_hook('memberintel_tick');
    }

    public function file(): string
    {
        return $this->file;
    }

    public function db(): Database
    {
        return $this->db;
    }

    public function schema(): Schema
    {
        return $this->part(Schema::class, function (): Schema {
            return new Schema($this->db);
        });
    }

    public function meta(): Meta
    {
        return $this->part(Meta::class, function (): Meta {
            return new Meta($this->db);
        });
    }

    public function epoch(): Epoch
    {
        return $this->part(Epoch::class, function (): Epoch {
            return new Epoch($this->db, $this->meta());
        });
    }

    public function keys(): Keys
    {
        return $this->part(Keys::class, static function (): Keys {
            return new Keys();
        });
    }

    public function gate(): Gate
    {
        return $this->part(Gate::class, function (): Gate {
            return new Gate($this->keys(), new Nonces($this->db));
        });
    }

    public function memberpress(): MemberPress
    {
        return $this->part(MemberPress::class, static function (): MemberPress {
            return new MemberPress();
        });
    }

    public function entities(): Entities
    {
        return $this->part(Entities::class, function (): Entities {
            return new Entities($this->db, $this->memberpress());
        });
    }

    public function handshake(): Handshake
    {
        return new Handshake($this->db, $this->memberpress(), $this->entities());
    }

    public function state(): State
    {
        return $this->part(State::class, function (): State {
            return new State($this->db, $this->meta());
        });
    }

    public function watermark(): Watermark
    {
        return new Watermark($this->meta(), $this->epoch(), $this->state());
    }

    public function budget(): Budget
    {
        return $this->part(Budget::class, static function (): Budget {
            return Budget::ofRequest();
        });
    }

    /** Works within another budget than that of the request: a command that has more time, a test that has none. */
    public function within(Budget $budget): void
    {
        $this->parts[Budget::class] = $budget;
    }

    public function marks(): Marks
    {
        return $this->part(Marks::class, function (): Marks {
            return new Marks($this->db);
        });
    }

    public function knock(): Knock
    {
        return $this->part(Knock::class, function (): Knock {
            return new Knock($this->keys(), $this->meta(), $this->marks(), $this->state(), $this->watermark());
        });
    }

    public function connect(): Connect
    {
        return new Connect($this->schema(), $this->keys(), $this->epoch(), $this->gate());
    }

    public function page(): Page
    {
        return new Page($this->state(), $this->budget());
    }

    public function checksums(): Checksums
    {
        return new Checksums($this->db, $this->budget());
    }

    public function changes(): Changes
    {
        return new Changes(
            $this->meta(),
            $this->state(),
            $this->marks(),
            new Sweep($this->db, $this->meta(), $this->state(), $this->entities()),
            $this->entities(),
            $this->watermark(),
            new Lock($this->db),
            $this->budget()
        );
    }

    /** @return mixed */
    private function part(string $name, callable $make)
    {
        if (!isset($this->parts[$name])) {
            $this->parts[$name] = $make();
        }
        return $this->parts[$name];
    }
}
