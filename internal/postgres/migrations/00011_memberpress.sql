-- +goose Up
-- What a membership platform tells beside money: access that ends by the clock, ids at payment platforms, content rules.

ALTER TABLE transactions
    DROP CONSTRAINT transactions_kind_check,
    ADD CONSTRAINT transactions_kind_check CHECK (kind IN
        ('payment', 'refund', 'dispute', 'dispute_reversal', 'fee', 'adjustment', 'grant')), -- a grant is access without money
    ADD COLUMN plan_source_id text,                          -- what was paid for
    ADD COLUMN foreign_id     text,                          -- its id at the payment platform
    ADD COLUMN gives_access   boolean NOT NULL DEFAULT false,
    ADD COLUMN access_until   timestamptz,                   -- of what gives access; null with lifetime
    ADD COLUMN lifetime       boolean NOT NULL DEFAULT false,
    ADD COLUMN links_told     boolean NOT NULL DEFAULT false; -- member, subscription and invoice are the source's own word, null included
CREATE INDEX transactions_access ON transactions (tenant_id, subscription_source_id) WHERE gives_access;
CREATE INDEX transactions_foreign ON transactions (tenant_id, foreign_id) WHERE foreign_id IS NOT NULL;

ALTER TABLE subscriptions
    ADD COLUMN access_derived boolean NOT NULL DEFAULT false, -- access_until follows from the transactions
    ADD COLUMN foreign_id     text;
CREATE INDEX subscriptions_foreign ON subscriptions (tenant_id, foreign_id) WHERE foreign_id IS NOT NULL;

ALTER TABLE members
    ADD COLUMN foreign_ids   jsonb,       -- ids at payment platforms
    ADD COLUMN last_login_at timestamptz, -- a lower bound
    ADD COLUMN status_until  timestamptz; -- when membership_status changes although nothing is written; null: never
CREATE INDEX members_status_until ON members (tenant_id, status_until) WHERE status_until IS NOT NULL;

ALTER TABLE content_rules DROP COLUMN plan_source_ids, ADD COLUMN plan_source_ids jsonb NOT NULL DEFAULT '[]';

-- When the first status of each tenant changes by the clock: whoever keeps the clock reads this and no member.
CREATE TABLE member_clock (
    tenant_id uuid PRIMARY KEY REFERENCES tenant (tenant_id) ON DELETE CASCADE,
    due_at    timestamptz NOT NULL
);
CREATE INDEX member_clock_due ON member_clock (due_at);

-- +goose StatementBegin
DO $$
BEGIN
    ALTER TABLE member_clock ENABLE ROW LEVEL SECURITY;
    ALTER TABLE member_clock FORCE ROW LEVEL SECURITY;
    EXECUTE format('CREATE POLICY owner ON member_clock TO %I USING (true) WITH CHECK (true)', current_user);
END
$$;
-- +goose StatementEnd
CREATE POLICY tenant ON member_clock TO memberintel_app
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE, DELETE ON member_clock TO memberintel_app;
CREATE POLICY service ON member_clock FOR SELECT TO memberintel_service USING (true);
GRANT SELECT ON member_clock TO memberintel_service;

-- As before, and where two platforms tell of the same payment, that of the one which took the money counts: the other
-- bears its id.
CREATE OR REPLACE VIEW payments WITH (security_invoker = true) AS
SELECT t.tenant_id, t.source_id, t.member_source_id, t.subscription_source_id, t.invoice_source_id,
       t.amount_minor, t.currency, t.status,
       CASE WHEN t.status = 'succeeded' THEN t.occurred_at END AS paid_at
  FROM transactions t
 WHERE t.kind = 'payment' AND t.deleted_at IS NULL
   AND (t.foreign_id IS NULL OR NOT EXISTS (
       SELECT FROM transactions o
        WHERE o.tenant_id = t.tenant_id AND o.source_platform <> t.source_platform AND o.livemode = t.livemode
          AND o.kind = 'payment' AND o.deleted_at IS NULL AND o.source_id = t.foreign_id)
       AND NOT EXISTS (
       SELECT FROM transactions o
        WHERE o.tenant_id = t.tenant_id AND o.source_platform <> t.source_platform AND o.livemode = t.livemode
          AND o.kind = 'payment' AND o.deleted_at IS NULL AND o.intent_source_id = t.foreign_id))
UNION ALL
SELECT i.tenant_id, i.source_id, i.member_source_id, i.subscription_source_id, i.source_id,
       i.amount_paid_minor, i.currency, 'succeeded', coalesce(i.paid_at, i.observed_at)
  FROM invoices i
 WHERE i.status = 'paid' AND i.amount_paid_minor > 0 AND i.deleted_at IS NULL
   AND NOT EXISTS (
       SELECT FROM transactions t
        WHERE t.tenant_id = i.tenant_id AND t.source_platform = i.source_platform
          AND t.kind = 'payment' AND t.status = 'succeeded' AND t.deleted_at IS NULL
          AND t.invoice_source_id = i.source_id)
   AND NOT EXISTS (
       SELECT FROM transactions t
        WHERE t.tenant_id = i.tenant_id AND t.source_platform = i.source_platform
          AND t.kind = 'payment' AND t.status = 'succeeded' AND t.deleted_at IS NULL
          AND t.intent_source_id = i.intent_source_id)
   -- Until the invoice's payments have been listed, a payment of the same sum by the same member at
   -- about the same time is taken to be its own: better one row for a moment than the money twice.
   AND (coalesce(i.allocations_known, false) OR NOT EXISTS (
       SELECT FROM transactions t
        WHERE t.tenant_id = i.tenant_id AND t.source_platform = i.source_platform
          AND t.kind = 'payment' AND t.status = 'succeeded' AND t.deleted_at IS NULL
          AND t.invoice_source_id IS NULL AND t.member_source_id = i.member_source_id
          AND t.amount_minor = i.amount_paid_minor AND t.currency = i.currency
          AND t.occurred_at BETWEEN i.paid_at - interval '1 day' AND i.paid_at + interval '1 day'));

-- Members of two platforms with one e-mail address whom no id proves to be one person: for somebody to look at, never
-- merged by itself.
CREATE VIEW person_candidates WITH (security_invoker = true) AS
SELECT a.tenant_id, lower(a.email) AS email, a.source_platform, a.source_account_id, a.source_id,
       b.source_platform AS other_platform, b.source_account_id AS other_account_id, b.source_id AS other_id
  FROM members a
  JOIN members b ON b.tenant_id = a.tenant_id AND lower(b.email) = lower(a.email) AND b.livemode = a.livemode
   AND a.source_platform < b.source_platform
 WHERE a.deleted_at IS NULL AND b.deleted_at IS NULL AND a.email <> ''
   AND (a.person_id IS NULL OR b.person_id IS NULL OR a.person_id <> b.person_id);
GRANT SELECT ON person_candidates TO memberintel_app, memberintel_reader;
