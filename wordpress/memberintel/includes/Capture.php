<?php

namespace MemberIntel;

/**
 * Notes which rows change, as they change, so that the next request for changes finds them without a sweep.
 *
 * Nothing here may ever slow or break what a visitor does: marks are kept in memory and written once, at the end, into a
 * table of the plugin; every hook swallows whatever goes wrong. Only ids are noted, since MemberPress writes the meta of a
 * post after save_post has fired.
 */
final class Capture
{
    private Database $db;
    private Marks $marks;
    private Keys $keys;
    private Knock $knock;

    public function __construct(Database $db, Marks $marks, Keys $keys, Knock $knock)
    {
        $this->db = $db;
        $this->marks = $marks;
        $this->keys = $keys;
        $this->knock = $knock;
    }

    public function register(): void
    {
        if (!$this->keys->listening()) {
            return;
        }
        $watch = new QueryWatch($this->db, $this->marks);
        add_filter('query', [$watch, 'see'], PHP_INT_MAX);
        $this->hookRows();
        $this->hookUsers();
        $this->hookPosts();
        add_action('shutdown', function () use ($watch): void {
            $this->quietly(function () use ($watch): void {
                $watch->settle();
                $this->marks->flush();
                $this->knock->afterVisit($this->marks->written());
            });
        }, PHP_INT_MAX);
    }

    /** MemberPress' own tables. */
    private function hookRows(): void
    {
        foreach (['mepr_txn_store', 'mepr_txn_destroy', 'mepr_txn_transition_status'] as $hook) {
            $this->on($hook, 2);
        }
        $this->on('mepr_post_delete_transaction', 2);
        foreach (
            ['mepr_subscription_stored', 'mepr_subscription_saved', 'mepr_subscription_deleted',
            'mepr_subscription_pre_delete', 'mepr_subscription_transition_status'] as $hook
        ) {
            $this->on($hook, 3);
        }
        foreach (['mepr_order_store', 'mepr_order_destroy'] as $hook) {
            $this->on($hook, 8);
        }
        add_action('mepr_event_create', function ($event): void {
            $this->quietly(function () use ($event): void {
                $this->event($event);
            });
        });
        foreach (['mepr_rule_access_stored', 'mepr_rule_access_deleted'] as $hook) {
            add_action($hook, function ($condition): void {
                $this->quietly(function () use ($condition): void {
                    $this->note(5, is_object($condition) ? ($condition->rule_id ?? 0) : 0);
                });
            });
        }
    }

    private function hookUsers(): void
    {
        foreach (['user_register', 'profile_update', 'deleted_user', 'set_user_role'] as $hook) {
            $this->on($hook, 1);
        }
        foreach (['added_user_meta', 'updated_user_meta', 'deleted_user_meta'] as $hook) {
            add_action($hook, function ($ids, $user): void {
                $this->quietly(function () use ($user): void {
                    $this->note(1, $user);
                });
            }, 10, 2);
        }
        add_action('wp_login', function ($login, $user): void {
            $this->quietly(function () use ($user): void {
                $this->note(1, $user->ID ?? 0);
            });
        }, 10, 2);
    }

    private function hookPosts(): void
    {
        foreach (['save_post', 'deleted_post', 'trashed_post', 'untrashed_post'] as $hook) {
            add_action($hook, function ($id): void {
                $this->quietly(function () use ($id): void {
                    if (strpos((string) get_post_type($id), 'memberpress') === 0) {
                        $this->note(Marks::POST, $id);
                    }
                });
            });
        }
        foreach (['added_post_meta', 'updated_post_meta', 'deleted_post_meta'] as $hook) {
            add_action($hook, function ($ids, $post, $key): void {
                $this->quietly(function () use ($post, $key): void {
                    if (strpos((string) $key, 'mepr_') !== false) {
                        $this->note(Marks::POST, $post);
                    }
                });
            }, 10, 3);
        }
    }

    /** A hook whose first model, or else whose first number, says which row. */
    private function on(string $hook, int $kind): void
    {
        add_action($hook, function (...$arguments) use ($kind): void {
            $this->quietly(function () use ($arguments, $kind): void {
                $id = is_numeric($arguments[0] ?? null) ? $arguments[0] : 0;
                foreach ($arguments as $argument) {
                    if (is_object($argument) && strpos(get_class($argument), 'WP_') !== 0 && (int) $argument->id > 0) {
                        $id = $argument->id;
                        break;
                    }
                }
                $this->note($kind, $id);
            });
        }, 10, 5);
    }

    /** An event is a row, and it shows in the row that it is about. @param mixed $event */
    private function event($event): void
    {
        if (!is_object($event)) {
            return;
        }
        $this->note(9, $event->id ?? 0);
        $kinds = ['users' => 1, 'subscriptions' => 3];
        if (isset($kinds[$event->evt_id_type ?? ''])) {
            $this->note($kinds[$event->evt_id_type], $event->evt_id ?? 0);
        }
    }

    /** @param mixed $id */
    private function note(int $kind, $id): void
    {
        if (is_numeric($id) && (int) $id > 0) {
            $this->marks->add($kind, (int) $id);
        }
    }

    private function quietly(callable $work): void
    {
        try {
            $work();
        } catch (\Throwable $broken) {
            // Whatever it was, the sweep finds the change; the visitor must not notice.
            return;
        }
    }
}
