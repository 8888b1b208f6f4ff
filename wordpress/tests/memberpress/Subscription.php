<?php

namespace MemberPressFixture;

/** A subscription: store with hooks, expire its transactions without, destroy one by one. */
final class Subscription extends Model
{
    protected static function table(): string
    {
        return $GLOBALS['wpdb']->prefix . 'mepr_subscriptions';
    }

    public function store(): int
    {
        $old = (int) $this->id > 0 ? self::find((int) $this->id) : new self(['status' => 'pending']);
        apply_filters((int) $this->id > 0 ? 'mepr_update_subscription' : 'mepr_create_subscription', $this->rec, $this);
        $this->write();
        do_action('mepr_subscription_transition_status', $old->status, $this->status, $this);
        do_action('mepr_subscription_stored', $this);
        do_action('mepr_subscription_saved', $this);
        do_action('mepr_subscription_status_' . $this->status, $this);
        return (int) $this->id;
    }

    /** By SQL, without any hook. */
    public function expireTransactions(): void
    {
        global $wpdb;
        $wpdb->query($wpdb->prepare(
            "UPDATE %i SET expires_at = %s WHERE subscription_id = %d AND status IN ('complete', 'confirmed')",
            $wpdb->prefix . 'mepr_transactions',
            gmdate('Y-m-d H:i:s', time() - DAY_IN_SECONDS),
            $this->id
        ));
    }

    /** Cancels: the status at once, the moment as an event. */
    public function cancel(): void
    {
        $this->status = 'cancelled';
        $this->store();
        Hooks::event('subscription-stopped', (int) $this->id, 'subscriptions');
    }

    /** The transactions go one by one; their meta stays behind. */
    public function destroy(): void
    {
        global $wpdb;
        do_action('mepr_subscription_pre_delete', $this->id);
        $ids = $wpdb->get_col($wpdb->prepare(
            'SELECT id FROM %i WHERE subscription_id = %d',
            $wpdb->prefix . 'mepr_transactions',
            $this->id
        ));
        foreach ($ids as $id) {
            Transaction::find((int) $id)->destroy();
        }
        $wpdb->delete(self::table(), ['id' => $this->id]);
        do_action('mepr_subscription_deleted', $this);
    }
}
