-- +goose Up
-- Every view runs with its reader's rights; a plain view would run with its owner's.

-- How old the data is, from the ledger of runs alone. A live connection that nothing happens on is as
-- fresh as its last pull: events that would have come are pulled then. The runs of a connection to an earlier
-- account say nothing about the present one.
CREATE VIEW tenant_data_freshness WITH (security_invoker = true) AS
SELECT r.tenant_id, r.pipeline_type,
       max(r.data_as_of) FILTER (WHERE r.status IN ('succeeded', 'partial') OR r.mode = 'live') AS data_as_of,
       max(r.finished_at) FILTER (WHERE r.status = 'succeeded' AND r.mode IN ('full', 'incremental')) AS last_success_at,
       (array_agg(r.status ORDER BY r.run_id DESC) FILTER (WHERE r.mode <> 'live'))[1] AS last_status,
       coalesce(max(r.finished_at) FILTER (WHERE r.status = 'succeeded' AND r.mode IN ('full', 'incremental'))
           < memberintel_now() - 2 * (array_agg(r.cadence ORDER BY r.run_id DESC) FILTER (WHERE r.mode <> 'live'))[1], true) AS stale
  FROM (SELECT s.*, first_value(s.connection_id) OVER (PARTITION BY s.tenant_id, s.pipeline_type ORDER BY s.run_id DESC) AS latest
          FROM sync_run s
         WHERE s.mode IN ('full', 'incremental', 'replay', 'live')) AS r
 WHERE r.connection_id = r.latest
 GROUP BY r.tenant_id, r.pipeline_type;

-- Each canonical row by its name alone, for questions about accounts rather than about members: which object of
-- an account is there, and how many rows of an account that is no longer connected.
CREATE VIEW account_rows WITH (security_invoker = true) AS
SELECT tenant_id, source_platform, source_account_id, livemode, 'members' AS table_name, '' AS variant, source_id, source_created_at, deleted_at FROM members
UNION ALL SELECT tenant_id, source_platform, source_account_id, livemode, 'plans', level, source_id, source_created_at, deleted_at FROM plans
UNION ALL SELECT tenant_id, source_platform, source_account_id, livemode, 'subscriptions', '', source_id, source_created_at, deleted_at FROM subscriptions
UNION ALL SELECT tenant_id, source_platform, source_account_id, livemode, 'subscription_items', '', source_id, source_created_at, deleted_at FROM subscription_items
UNION ALL SELECT tenant_id, source_platform, source_account_id, livemode, 'invoices', '', source_id, source_created_at, deleted_at FROM invoices
UNION ALL SELECT tenant_id, source_platform, source_account_id, livemode, 'transactions', kind, source_id, source_created_at, deleted_at FROM transactions
UNION ALL SELECT tenant_id, source_platform, source_account_id, livemode, 'payment_allocations', '', source_id, source_created_at, deleted_at FROM payment_allocations
UNION ALL SELECT tenant_id, source_platform, source_account_id, livemode, 'payment_intents', '', source_id, source_created_at, deleted_at FROM payment_intents
UNION ALL SELECT tenant_id, source_platform, source_account_id, livemode, 'orders', '', source_id, source_created_at, deleted_at FROM orders
UNION ALL SELECT tenant_id, source_platform, source_account_id, livemode, 'content_rules', '', source_id, source_created_at, deleted_at FROM content_rules
UNION ALL SELECT tenant_id, source_platform, source_account_id, livemode, 'sites', '', source_id, source_created_at, deleted_at FROM sites;
