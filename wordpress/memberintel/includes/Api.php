<?php

namespace MemberIntel;

use Throwable;
use WP_REST_Request;

/** The routes of the protocol, and the one way that leads to an answer of any of them. */
final class Api
{
    public const ROUTES = 'memberintel/v1';
    public const PAGE = 1000;
    public const PAGE_MAX = 2000;

    private Plugin $plugin;

    public function __construct(Plugin $plugin)
    {
        $this->plugin = $plugin;
    }

    public function register(): void
    {
        $both = ['GET', 'POST'];
        $this->route('/sync', $both, [$this, 'handshake']);
        $this->route('/sync/changes', $both, [$this, 'changes']);
        $this->route('/sync/checksums', $both, [$this, 'checksums']);
        $this->route('/sync/disconnect', ['POST'], [$this, 'disconnect']);
        $this->route('/sync/(?P<entity>[a-z_]+)', $both, [$this, 'page']);
        register_rest_route(self::ROUTES, '/connect', [
            'methods' => ['POST'],
            'callback' => [$this, 'connect'],
            'permission_callback' => '__return_true',
            'show_in_index' => false,
        ]);
    }

    /** @param string[] $methods */
    private function route(string $path, array $methods, callable $work): void
    {
        register_rest_route(self::ROUTES, $path, [
            'methods' => $methods,
            'callback' => function (WP_REST_Request $request) use ($work): Answer {
                return $this->answer($request, $work);
            },
            // The signature is checked before anything is read. It is done in answer(), since a refusal has a shape and
            // a signature of its own, which a permission callback cannot give.
            'permission_callback' => '__return_true',
            'show_in_index' => false,
        ]);
    }

    /** Checks who asks, does the work, and signs what came of it, be it rows or a problem. */
    public function answer(WP_REST_Request $request, callable $work): Answer
    {
        $this->plugin->budget();
        $this->keepOutOfCaches();
        $requestId = $this->requestId($request);
        $caller = null;
        try {
            $this->plugin->schema()->ensure();
            $gate = $this->plugin->gate();
            $caller = $gate->caller($request);
            $gate->admit($caller, $request);
            if (!$this->plugin->memberpress()->active()) {
                throw new Problem('mi_memberpress_missing', 'MemberPress is not active on this site.');
            }
            $this->plugin->meta()->set('contact_at', (string) time());
            return new Answer($work($request, $requestId), 200, $requestId, $caller);
        } catch (Problem $problem) {
            return $this->refuse($problem, $requestId, $caller);
        } catch (Throwable $broken) {
            // The log of the site is where its administrator looks; the client is told nothing of the inside.
            error_log('memberintel: ' . $broken->getMessage());
            $problem = new Problem('mi_failed', 'The site could not answer.', ['retry_after' => 60]);
            return $this->refuse($problem, $requestId, $caller);
        }
    }

    public function handshake(WP_REST_Request $request, string $requestId): string
    {
        $epoch = $this->plugin->epoch()->current();
        // Not counted up: after a backup was restored, handshakes would let the site catch up with what its reader knows.
        $seq = $this->plugin->meta()->number('seq');
        $this->plugin->meta()->setOnce('baseline_at', (string) time());
        return Envelope::text($requestId, $epoch, 'sync', ['site' => $this->plugin->handshake()->site()], [], [
            'watermark' => $this->plugin->watermark()->encode($seq, 0),
        ], $this->plugin->budget());
    }

    public function page(WP_REST_Request $request, string $requestId): string
    {
        $name = (string) $request->get_url_params()['entity'];
        $after = $this->whole($request, 'after', 0, 0, PHP_INT_MAX);
        $limit = $this->whole($request, 'limit', self::PAGE, 1, PHP_INT_MAX);
        $entity = $this->plugin->entities()->get($name);
        $epoch = $this->plugin->epoch()->current();
        $page = $this->plugin->page()->read($this->plugin->db(), $entity, $after, min($limit, self::PAGE_MAX));
        return Envelope::text($requestId, $epoch, $name, [], $page['rows'], $page, $this->plugin->budget());
    }

    public function changes(WP_REST_Request $request, string $requestId): string
    {
        $since = $this->text($request, 'since');
        $limit = $this->whole($request, 'limit', self::PAGE, 1, PHP_INT_MAX);
        $sweep = $this->whole($request, 'sweep', 1, 0, 1) === 1;
        $names = $this->names($request, 'entities');
        $changes = $this->plugin->changes()->since($since, min($limit, self::PAGE_MAX), $sweep, $names);
        $this->plugin->meta()->set('synced_at', (string) time());
        $epoch = $this->plugin->epoch()->current();
        $head = ['sweep' => $changes['sweep']];
        return Envelope::text($requestId, $epoch, 'changes', $head, $changes['rows'], $changes, $this->plugin->budget());
    }

    public function checksums(WP_REST_Request $request, string $requestId): string
    {
        $name = $this->text($request, 'entity');
        $bucket = $this->whole($request, 'bucket', 5000, 100, 50000);
        $after = $this->whole($request, 'after', 0, 0, PHP_INT_MAX);
        $entity = $this->plugin->entities()->get($name);
        $epoch = $this->plugin->epoch()->current();
        $sums = $this->plugin->checksums()->read($entity, $after, $bucket);
        $head = ['of' => $name, 'bucket' => $bucket];
        return Envelope::text($requestId, $epoch, 'checksums', $head, $sums['rows'], $sums, $this->plugin->budget());
    }

    public function disconnect(WP_REST_Request $request, string $requestId): string
    {
        $epoch = $this->plugin->epoch()->current();
        $this->plugin->connect()->goodbye((string) $request->get_header('x_memberintel_key_id'));
        $head = ['disconnected' => true];
        return Envelope::text($requestId, $epoch, 'disconnect', $head, [], [], $this->plugin->budget());
    }

    /** The service brings the key to a site that could not fetch it. Only who holds the one-time code may. */
    public function connect(WP_REST_Request $request): Answer
    {
        $this->keepOutOfCaches();
        $requestId = $this->requestId($request);
        try {
            $this->plugin->schema()->ensure();
            return $this->plugin->connect()->receive($request, $requestId);
        } catch (Problem $problem) {
            return $this->refuse($problem, $requestId, null);
        } catch (Throwable $broken) {
            error_log('memberintel: ' . $broken->getMessage());
            return $this->refuse(new Problem('mi_failed', 'The site could not answer.', ['retry_after' => 60]), $requestId, null);
        }
    }

    /** Sends our answers as they are and leaves all others to WordPress. @param mixed $result */
    public static function serve(bool $served, $result): bool
    {
        if ($served || !$result instanceof Answer) {
            return $served;
        }
        $result->send();
        return true;
    }

    private function refuse(Problem $problem, string $requestId, ?Caller $caller): Answer
    {
        $answer = new Answer(Envelope::problem($requestId, $problem), $problem->status(), $requestId, $caller);
        if ($problem->retryAfter() !== null) {
            $answer->header('Retry-After', (string) $problem->retryAfter());
        }
        return $answer;
    }

    private function requestId(WP_REST_Request $request): string
    {
        $id = (string) $request->get_header('x_memberintel_request_id');
        return preg_match('/^[A-Za-z0-9_-]{1,64}$/', $id) ? $id : '';
    }

    private function text(WP_REST_Request $request, string $name): string
    {
        $json = (array) $request->get_json_params();
        return Value::text($request->get_query_params()[$name] ?? ($json[$name] ?? ''));
    }

    /** @throws Problem */
    private function whole(WP_REST_Request $request, string $name, int $default, int $least, int $most): int
    {
        $text = $this->text($request, $name);
        if ($text === '') {
            return $default;
        }
        if (!preg_match('/^\d{1,18}$/D', $text) || (int) $text < $least || (int) $text > $most) {
            $data = ['parameter' => $name];
            throw new Problem('mi_bad_request', "The parameter $name is not a whole number.", $data);
        }
        return (int) $text;
    }

    /**
     * Names of kinds of rows, sorted, null for all of them.
     *
     * @return string[]|null
     * @throws Problem
     */
    private function names(WP_REST_Request $request, string $name): ?array
    {
        $text = $this->text($request, $name);
        if ($text === '') {
            return null;
        }
        if (strlen($text) > 300 || !preg_match('/^[a-z_]+(,[a-z_]+)*$/D', $text)) {
            $data = ['parameter' => $name];
            throw new Problem('mi_bad_request', "The parameter $name is not a list of names.", $data);
        }
        $names = array_unique(explode(',', $text));
        sort($names);
        return $names;
    }

    private function keepOutOfCaches(): void
    {
        // A notice in the middle of an answer would break its signature.
        @ini_set('display_errors', '0');
        foreach (['DONOTCACHEPAGE', 'DONOTCACHEDB', 'DONOTMINIFY', 'DONOTROCKETOPTIMIZE'] as $wish) {
            if (!defined($wish)) {
                define($wish, true);
            }
        }
        do_action('litespeed_control_set_nocache', 'memberintel: signed answers');
    }
}
