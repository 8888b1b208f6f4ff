<?php

namespace MemberPressFixture;

/** A transaction and the ways in which MemberPress writes one: by model with hooks, and past it. */
final class Transaction extends Model
{
    protected static function table(): string
    {
        return $GLOBALS['wpdb']->prefix . 'mepr_transactions';
    }

    /** With all hooks. */
    public function store(): int
    {
        $old = (int) $this->id > 0 ? self::find((int) $this->id) : new self(['status' => 'pending']);
        apply_filters((int) $this->id > 0 ? 'mepr_update_transaction' : 'mepr_create_transaction', $this->rec, $this);
        $this->write();
        do_action('mepr-txn-transition-status', $old->status, $this->status, $this);
        do_action('mepr_txn_transition_status', $old->status, $this->status, $this);
        do_action('mepr-txn-store', $this, $old);
        do_action('mepr_txn_store', $this, $old);
        do_action('mepr_txn_status_' . $this->status, $this);
        return (int) $this->id;
    }

    /** Without any hook. @param array<string, mixed> $some */
    public function updatePartial(array $some): void
    {
        global $wpdb;
        $wpdb->update(self::table(), $some, ['id' => $this->id]);
        $this->rec = $some + $this->rec;
    }

    /** Without any hook. */
    public function updateMeta(string $key, string $value): void
    {
        global $wpdb;
        $table = $wpdb->prefix . 'mepr_transaction_meta';
        $has = $wpdb->get_var($wpdb->prepare(
            'SELECT id FROM %i WHERE transaction_id = %d AND meta_key = %s',
            $table,
            $this->id,
            $key
        ));
        $row = ['transaction_id' => $this->id, 'meta_key' => $key, 'meta_value' => $value];
        $has === null ? $wpdb->insert($table, $row) : $wpdb->update($table, $row, ['id' => $has]);
    }

    /** The payment by model, the confirmation of the same subscription by SQL. */
    public function refund(): void
    {
        global $wpdb;
        $this->status = 'refunded';
        $this->refunded_at = gmdate('Y-m-d H:i:s');
        $this->store();
        $wpdb->query($wpdb->prepare(
            "UPDATE %i SET expires_at = %s WHERE subscription_id = %d AND txn_type = 'subscription_confirmation'
            AND status = 'confirmed'",
            self::table(),
            gmdate('Y-m-d H:i:s', time() - DAY_IN_SECONDS),
            $this->subscription_id
        ));
    }

    public function destroy(): void
    {
        global $wpdb;
        $id = (int) $this->id;
        do_action('mepr_txn_destroy', $this);
        do_action('mepr_pre_delete_transaction', $this);
        apply_filters('mepr_delete_transaction', $this);
        $result = $wpdb->delete(self::table(), ['id' => $id]);
        do_action('mepr_post_delete_transaction', $id, $this->user_id, $result, $this);
    }
}
