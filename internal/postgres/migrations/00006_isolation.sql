-- +goose Up
-- Row-level security on every table with a tenant_id, and who may do what.

-- +goose StatementBegin
DO $$
DECLARE t regclass;
BEGIN
    FOREACH t IN ARRAY ARRAY[
        'tenant', 'tenant_reader', 'connection', 'connection_secret', 'audit_event',
        'sync_run', 'sync_checkpoint', 'sync_cursor', 'quarantine',
        'stripe_events_processed', 'stripe_refetch',
        'members', 'plans', 'subscriptions', 'subscription_items', 'subscription_item_history',
        'invoices', 'transactions', 'payment_allocations', 'payment_intents', 'orders', 'content_rules', 'sites',
        'customer_brain.site_profile']::regclass[]
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY owner ON %s TO %I USING (true) WITH CHECK (true)', t, current_user);
        -- Plain current_setting: a wrapped sub-select misleads the planner on large tenants.
        EXECUTE format($p$CREATE POLICY tenant ON %s TO memberintel_app
            USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
            WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)$p$, t);
    END LOOP;

    -- What a tenant's reader sees: the canonical tables and the ledger of runs.
    FOREACH t IN ARRAY ARRAY[
        'sync_run', 'members', 'plans', 'subscriptions', 'subscription_items', 'subscription_item_history',
        'invoices', 'transactions', 'payment_allocations', 'payment_intents', 'orders', 'content_rules', 'sites',
        'customer_brain.site_profile']::regclass[]
    LOOP
        EXECUTE format($p$CREATE POLICY reader ON %s FOR SELECT TO memberintel_reader USING
            (tenant_id = (SELECT r.tenant_id FROM tenant_reader r WHERE r.role_name = session_user))$p$, t);
        EXECUTE format('GRANT SELECT ON %s TO memberintel_reader', t);
    END LOOP;

    -- The canonical tables are written, never emptied: a deletion is a tombstone.
    FOREACH t IN ARRAY ARRAY[
        'members', 'plans', 'subscriptions', 'subscription_items', 'invoices', 'transactions',
        'payment_allocations', 'payment_intents', 'orders', 'content_rules', 'sites',
        'tenant', 'connection', 'sync_run', 'stripe_events_processed']::regclass[]
    LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %s TO memberintel_app', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY[
        'connection_secret', 'sync_checkpoint', 'sync_cursor', 'quarantine', 'stripe_refetch']::regclass[]
    LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO memberintel_app', t);
    END LOOP;
END
$$;
-- +goose StatementEnd
GRANT SELECT, INSERT ON audit_event, customer_brain.site_profile TO memberintel_app;
GRANT SELECT, INSERT, UPDATE (valid_to) ON subscription_item_history TO memberintel_app;
GRANT SELECT ON tenant_reader, switch TO memberintel_app;
GRANT UPDATE (sealed_password) ON tenant_reader TO memberintel_app; -- sealed anew when keys are rotated
GRANT DELETE ON connection TO memberintel_app;                      -- a disconnected one makes room for another account
GRANT SELECT ON tenant_data_freshness TO memberintel_app, memberintel_reader;
GRANT SELECT ON account_rows TO memberintel_app;

-- A reader may look up its own line, and no other.
CREATE POLICY self ON tenant_reader FOR SELECT TO memberintel_reader, memberintel_search
    USING (role_name = session_user);
GRANT SELECT (role_name, tenant_id) ON tenant_reader TO memberintel_reader, memberintel_search;

-- Cross-tenant work: routing, what is due, runs, unclaimed deliveries. No credentials, no member data.
CREATE POLICY service ON tenant TO memberintel_service USING (true) WITH CHECK (true);
CREATE POLICY service ON connection TO memberintel_service USING (true);
CREATE POLICY service ON sync_run TO memberintel_service USING (true);
GRANT SELECT, INSERT ON tenant TO memberintel_service;
GRANT SELECT (connection_id, tenant_id, pipeline_type, source_account_id, account_confirmed, livemode, state, generation,
              disconnected_at, next_sync_at, refetch_due_at), UPDATE (next_sync_at) ON connection TO memberintel_service;
GRANT SELECT ON sync_run TO memberintel_service;
GRANT SELECT, INSERT, DELETE ON webhook_quarantine TO memberintel_service;
GRANT SELECT ON switch TO memberintel_service;

-- Support: health, runs and switches across tenants.
CREATE POLICY operator ON tenant FOR SELECT TO memberintel_operator USING (true);
CREATE POLICY operator ON connection FOR SELECT TO memberintel_operator USING (true);
CREATE POLICY operator ON sync_run FOR SELECT TO memberintel_operator USING (true);
CREATE POLICY operator ON audit_event TO memberintel_operator USING (true) WITH CHECK (true);
GRANT SELECT ON tenant, connection, sync_run, tenant_data_freshness TO memberintel_operator;
GRANT SELECT, INSERT ON audit_event TO memberintel_operator;
GRANT SELECT, INSERT, UPDATE, DELETE ON switch TO memberintel_operator;
