-- +goose Up
-- Who is served, what they connected, and what was done about it.

CREATE TABLE tenant (
    tenant_id  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name       text NOT NULL UNIQUE CHECK (name <> '' AND length(name) <= 200),
    plan       text NOT NULL DEFAULT 'pro' CHECK (plan IN ('free', 'pro')),
    created_at timestamptz NOT NULL DEFAULT memberintel_now()
);

-- The login of a tenant's reader. The reader's policies look the tenant up here by session_user,
-- because a setting protects nothing against somebody who holds a SQL session.
CREATE TABLE tenant_reader (
    role_name       text PRIMARY KEY,
    tenant_id       uuid NOT NULL UNIQUE REFERENCES tenant,
    sealed_password bytea,
    created_at      timestamptz NOT NULL DEFAULT memberintel_now()
);

-- One connection of a pipeline a tenant. Which pipelines there are is the program's to know: another one needs no
-- migration.
CREATE TABLE connection (
    connection_id        uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id            uuid NOT NULL REFERENCES tenant,
    pipeline_type        text NOT NULL CHECK (pipeline_type ~ '^[a-z][a-z0-9_]{0,39}$'),
    source_account_id    text NOT NULL DEFAULT '',   -- '' while the source has not told it
    account_confirmed    boolean NOT NULL DEFAULT false, -- the source itself told it; else it is a label
    livemode             boolean NOT NULL DEFAULT false,
    credential_kind      text NOT NULL DEFAULT '',
    state                text NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'connected', 'degraded', 'failed', 'paused', 'disconnected')),
    generation           bigint NOT NULL DEFAULT 1,  -- raised by whatever makes a cached copy wrong
    mapping_version      integer NOT NULL DEFAULT 0, -- of the last completed full pass
    created_at           timestamptz NOT NULL DEFAULT memberintel_now(),
    connected_at         timestamptz NOT NULL DEFAULT memberintel_now(),
    disconnected_at      timestamptz,
    last_attempt_at      timestamptz,
    last_success_at      timestamptz,
    last_error           text,                       -- one sentence for the customer
    last_error_kind      text,
    last_error_cause     text,                       -- for the operator
    last_error_beside    text CHECK (last_error_beside IN ('push', 'refetch', 'describe')), -- what told it; NULL: an attempt
    consecutive_failures integer NOT NULL DEFAULT 0,
    response_ms          integer,
    next_sync_at         timestamptz,
    refetch_due_at       timestamptz,                -- the earliest entry of its refetch list
    not_permitted        text[] NOT NULL DEFAULT '{}',
    UNIQUE (tenant_id, pipeline_type),
    UNIQUE (tenant_id, connection_id) -- what hangs on a connection names its tenant too, so it can hang on no other's
);
-- One source account feeds one tenant only. A name that the source has not confirmed reserves nothing, or
-- anybody could keep the account's owner out by naming it first.
CREATE UNIQUE INDEX connection_account ON connection (pipeline_type, source_account_id, livemode)
    WHERE account_confirmed AND source_account_id <> '' AND state <> 'disconnected';
CREATE INDEX connection_route ON connection (pipeline_type, source_account_id);
CREATE INDEX connection_refetch_due ON connection (refetch_due_at) WHERE refetch_due_at IS NOT NULL;
CREATE INDEX connection_sync_due ON connection (next_sync_at) WHERE next_sync_at IS NOT NULL;

CREATE TABLE connection_secret (
    tenant_id     uuid NOT NULL,
    connection_id uuid NOT NULL,
    name          text NOT NULL,
    sealed        bytea NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT memberintel_now(),
    PRIMARY KEY (connection_id, name),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connection (tenant_id, connection_id) ON DELETE CASCADE
);

-- A switch that is on stops its part of the work at the next Commit.
CREATE TABLE switch (
    name       text PRIMARY KEY,
    reason     text NOT NULL,
    thrown_by  text NOT NULL,
    since      timestamptz NOT NULL DEFAULT memberintel_now(),
    expires_at timestamptz
);

CREATE TABLE audit_event (
    audit_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL,
    at        timestamptz NOT NULL DEFAULT memberintel_now(),
    actor     text NOT NULL,
    action    text NOT NULL,
    subject   text NOT NULL,
    detail    jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_event_tenant ON audit_event (tenant_id, at);

-- Deliveries that belong to nobody here: kept for 30 days, for the operator.
CREATE TABLE webhook_quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at   timestamptz NOT NULL DEFAULT memberintel_now(),
    account_id    text NOT NULL,
    livemode      boolean NOT NULL,
    event_id      text NOT NULL,
    event_type    text NOT NULL,
    reason        text NOT NULL,
    raw           bytea NOT NULL
);
CREATE INDEX webhook_quarantine_received ON webhook_quarantine (received_at);
