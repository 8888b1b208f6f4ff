-- +goose Up
-- What a membership platform tells beside money: access that ends by the clock, ids at payment platforms, content rules.
-- Where two platforms tell of one payment, it counts once.

ALTER TABLE transactions
    DROP CONSTRAINT transactions_kind_check,
    ADD CONSTRAINT transactions_kind_check CHECK (kind IN
        ('payment', 'refund', 'dispute', 'dispute_reversal', 'fee', 'adjustment', 'grant')), -- a grant is access without money
    ADD COLUMN plan_source_id text,                          -- what was paid for
    ADD COLUMN foreign_id     text,                          -- its id at the payment platform
    ADD COLUMN gives_access   boolean NOT NULL DEFAULT false,
    ADD COLUMN access_until   timestamptz,                   -- of what gives access; null with lifetime
    ADD COLUMN lifetime       boolean NOT NULL DEFAULT false,
    ADD COLUMN links_told     boolean NOT NULL DEFAULT false, -- member, subscription and invoice are the source's own word, null included
    ADD COLUMN gateway        text,                           -- which of the source's ways to pay
    ADD COLUMN test           boolean,                        -- no money: the gateway was in its test mode when the row was made, as far as that is known
    ADD COLUMN order_source_id text,
    ADD COLUMN origin_id       text,                          -- what the platform that had it made calls it, as its metadata tell
    ADD COLUMN origin_site     text,                          -- and that platform's address,
    ADD COLUMN origin_platform text,                          -- and name
    -- Derived: the record of another platform that tells of the same money and counts in place of this one.
    ADD COLUMN event_platform   text,
    ADD COLUMN event_account_id text,
    ADD COLUMN event_source_id  text,
    ADD COLUMN event_evidence   text CHECK (event_evidence IN ('id', 'metadata'));
CREATE INDEX transactions_of_subscription ON transactions (tenant_id, subscription_source_id) WHERE links_told AND subscription_source_id IS NOT NULL;
CREATE INDEX transactions_order ON transactions (tenant_id, order_source_id) WHERE order_source_id IS NOT NULL;
CREATE INDEX transactions_origin ON transactions (tenant_id, origin_id) WHERE origin_id IS NOT NULL;
CREATE INDEX transactions_event ON transactions (tenant_id, event_source_id) WHERE event_source_id IS NOT NULL;
CREATE INDEX transactions_foreign ON transactions (tenant_id, foreign_id) WHERE foreign_id IS NOT NULL;

ALTER TABLE subscriptions
    ADD COLUMN access_derived boolean NOT NULL DEFAULT false, -- access_until follows from the transactions
    ADD COLUMN foreign_id     text,
    ADD COLUMN gateway        text,
    ADD COLUMN test           boolean,     -- as of transactions
    ADD COLUMN told_status    text,        -- what the source says, where status is derived from it, the transactions and the clock
    ADD COLUMN status_until   timestamptz; -- when status changes although nothing is written; null: never
CREATE INDEX subscriptions_foreign ON subscriptions (tenant_id, foreign_id) WHERE foreign_id IS NOT NULL;
CREATE INDEX subscriptions_status_until ON subscriptions (tenant_id, status_until) WHERE status_until IS NOT NULL;

ALTER TABLE members
    ADD COLUMN foreign_ids   jsonb,       -- ids at payment platforms
    ADD COLUMN last_login_at timestamptz, -- a lower bound
    ADD COLUMN status_until  timestamptz; -- when membership_status changes although nothing is written; null: never
CREATE INDEX members_status_until ON members (tenant_id, status_until) WHERE status_until IS NOT NULL;
CREATE INDEX members_person ON members (tenant_id, person_id) WHERE person_id IS NOT NULL;

ALTER TABLE sites
    ADD COLUMN base_url  text,                        -- where its software is, if not at url
    ADD COLUMN addresses text[] NOT NULL DEFAULT '{}'; -- all places where it has been, without scheme and www.: what was written then names it so

ALTER TABLE content_rules DROP COLUMN plan_source_ids, ADD COLUMN plan_source_ids jsonb NOT NULL DEFAULT '[]';

-- When the first status of each tenant changes by the clock: whoever keeps the clock reads this and no member.
CREATE TABLE member_clock (
    tenant_id uuid PRIMARY KEY REFERENCES tenant (tenant_id) ON DELETE CASCADE,
    due_at    timestamptz NOT NULL
);
CREATE INDEX member_clock_due ON member_clock (due_at);

-- Who bears which id of another platform: members.foreign_ids the other way round, since under row-level security no index
-- finds what stands within a jsonb. Derived by the step that links persons.
CREATE TABLE member_foreign_id (
    tenant_id         uuid NOT NULL REFERENCES tenant (tenant_id) ON DELETE CASCADE,
    source_platform   text NOT NULL,
    source_account_id text NOT NULL,
    livemode          boolean NOT NULL,
    source_id         text NOT NULL,
    foreign_id        text NOT NULL,
    PRIMARY KEY (tenant_id, source_platform, source_account_id, livemode, source_id, foreign_id)
);
CREATE INDEX member_foreign_id_borne ON member_foreign_id (tenant_id, foreign_id);

-- +goose StatementBegin
DO $$
BEGIN
    ALTER TABLE member_foreign_id ENABLE ROW LEVEL SECURITY;
    ALTER TABLE member_foreign_id FORCE ROW LEVEL SECURITY;
    EXECUTE format('CREATE POLICY owner ON member_foreign_id TO %I USING (true) WITH CHECK (true)', current_user);
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
CREATE POLICY tenant ON member_foreign_id TO memberintel_app
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, DELETE ON member_foreign_id TO memberintel_app;
CREATE POLICY service ON member_clock FOR SELECT TO memberintel_service USING (true);
GRANT SELECT ON member_clock TO memberintel_service;

-- One row for each time money moved or tried to, told by whom it may be: neither test money, nor what a platform tells
-- that had the money taken by another. Those who tell of the same stand in told_by. A payment may be a paid invoice
-- that no payment accounts for: paid outside the source, or its payment has not arrived yet.
CREATE VIEW economic_event WITH (security_invoker = true) AS
SELECT t.tenant_id, t.source_platform, t.source_account_id, t.livemode, t.source_id, t.kind,
       t.member_source_id, t.subscription_source_id, t.invoice_source_id, t.parent_source_id,
       t.amount_minor, t.currency, t.status, t.occurred_at,
       (SELECT jsonb_agg(jsonb_build_object('source_platform', o.source_platform, 'source_account_id', o.source_account_id, 'source_id', o.source_id,
                   'amount_minor', o.amount_minor, 'currency', o.currency, 'status', o.status, 'evidence', o.event_evidence)
               ORDER BY o.source_platform, o.source_account_id, o.source_id)
          FROM transactions o
         WHERE o.tenant_id = t.tenant_id AND o.event_source_id = t.source_id AND o.event_platform = t.source_platform
           AND o.event_account_id = t.source_account_id AND o.livemode = t.livemode AND o.kind = t.kind AND o.deleted_at IS NULL) AS told_by
  FROM transactions t
 WHERE t.kind <> 'grant' AND t.deleted_at IS NULL AND t.event_source_id IS NULL AND t.test IS NOT TRUE
UNION ALL
SELECT i.tenant_id, i.source_platform, i.source_account_id, i.livemode, i.source_id, 'payment',
       i.member_source_id, i.subscription_source_id, i.source_id, NULL,
       i.amount_paid_minor, i.currency, 'succeeded', coalesce(i.paid_at, i.observed_at),
       (SELECT jsonb_agg(jsonb_build_object('source_platform', o.source_platform, 'source_account_id', o.source_account_id, 'source_id', o.source_id,
                   'amount_minor', o.amount_minor, 'currency', o.currency, 'status', o.status, 'evidence', o.event_evidence)
               ORDER BY o.source_platform, o.source_account_id, o.source_id)
          FROM transactions o
         WHERE o.tenant_id = i.tenant_id AND o.event_source_id = i.source_id AND o.event_platform = i.source_platform
           AND o.event_account_id = i.source_account_id AND o.livemode = i.livemode AND o.kind = 'payment' AND o.deleted_at IS NULL)
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

CREATE VIEW payments WITH (security_invoker = true) AS
SELECT tenant_id, source_id, member_source_id, subscription_source_id, invoice_source_id, amount_minor, currency, status,
       CASE WHEN status = 'succeeded' THEN occurred_at END AS paid_at
  FROM economic_event
 WHERE kind = 'payment';

-- Payments of two platforms that no id proves to be one: of the same sum, within two days, by members with one e-mail
-- address. For somebody to look at: both count.
CREATE VIEW economic_event_candidates WITH (security_invoker = true) AS
SELECT t.tenant_id, t.livemode, lower(m.email) AS email, t.amount_minor, t.currency,
       t.source_platform, t.source_account_id, t.source_id, t.occurred_at,
       o.source_platform AS other_platform, o.source_account_id AS other_account_id, o.source_id AS other_id, o.occurred_at AS other_occurred_at
  FROM transactions t
  JOIN members m ON m.tenant_id = t.tenant_id AND m.source_platform = t.source_platform AND m.source_account_id = t.source_account_id
   AND m.livemode = t.livemode AND m.source_id = t.member_source_id
  JOIN members n ON n.tenant_id = m.tenant_id AND lower(n.email) = lower(m.email) AND n.livemode = m.livemode AND n.source_platform > m.source_platform
  JOIN transactions o ON o.tenant_id = n.tenant_id AND o.source_platform = n.source_platform AND o.source_account_id = n.source_account_id
   AND o.livemode = n.livemode AND o.member_source_id = n.source_id
   AND o.amount_minor = t.amount_minor AND o.currency = t.currency
   AND o.occurred_at BETWEEN t.occurred_at - interval '48 hours' AND t.occurred_at + interval '48 hours'
 WHERE m.email <> '' AND m.deleted_at IS NULL AND n.deleted_at IS NULL AND t.amount_minor > 0
   AND t.kind = 'payment' AND t.status = 'succeeded' AND t.deleted_at IS NULL AND t.test IS NOT TRUE AND t.event_source_id IS NULL
   AND o.kind = 'payment' AND o.status = 'succeeded' AND o.deleted_at IS NULL AND o.test IS NOT TRUE AND o.event_source_id IS NULL
   AND NOT EXISTS ( -- one that is told of already is no other's
       SELECT FROM transactions k
        WHERE k.tenant_id = t.tenant_id AND k.event_source_id = t.source_id AND k.event_platform = t.source_platform
          AND k.event_account_id = t.source_account_id AND k.livemode = t.livemode AND k.kind = 'payment' AND k.deleted_at IS NULL)
   AND NOT EXISTS (
       SELECT FROM transactions k
        WHERE k.tenant_id = o.tenant_id AND k.event_source_id = o.source_id AND k.event_platform = o.source_platform
          AND k.event_account_id = o.source_account_id AND k.livemode = o.livemode AND k.kind = 'payment' AND k.deleted_at IS NULL);

-- Subscriptions that money is expected of, each once: neither test ones, nor those that another platform bills, by
-- which they are told of too.
CREATE VIEW billed_subscriptions WITH (security_invoker = true) AS
SELECT s.*
  FROM subscriptions s
 WHERE s.deleted_at IS NULL AND s.test IS NOT TRUE
   AND (s.foreign_id IS NULL OR NOT EXISTS (
       SELECT FROM subscriptions o
        WHERE o.tenant_id = s.tenant_id AND o.source_platform <> s.source_platform AND o.livemode = s.livemode
          AND o.source_id = s.foreign_id AND o.deleted_at IS NULL));

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
GRANT SELECT ON economic_event, payments, economic_event_candidates, billed_subscriptions, person_candidates TO memberintel_app, memberintel_reader;
