-- +goose Up
-- The ledger of sync runs: one way in, one way out, for every pipeline.

CREATE TABLE sync_run (
    run_id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id         uuid NOT NULL,
    connection_id     uuid NOT NULL,
    pipeline_type     text NOT NULL CHECK (pipeline_type ~ '^[a-z][a-z0-9_]{0,39}$'),
    mode              text NOT NULL CHECK (mode IN ('full', 'incremental', 'live', 'replay', 'verify')),
    status            text NOT NULL DEFAULT 'running'
        CHECK (status IN ('queued', 'running', 'succeeded', 'partial', 'failed', 'stopped')),
    started_at        timestamptz NOT NULL DEFAULT memberintel_now(),
    finished_at       timestamptz,
    error_message     text,
    records_processed bigint NOT NULL DEFAULT 0,
    quarantined       bigint NOT NULL DEFAULT 0,
    events            bigint NOT NULL DEFAULT 0,
    lease_token       uuid,                             -- who works on it; a Commit with another token is refused
    lease_expires_at  timestamptz,
    data_as_of        timestamptz,                      -- the source's clock at which the pass began
    cadence           interval NOT NULL DEFAULT '1 day', -- how soon the next success is due
    UNIQUE (tenant_id, run_id)
);
-- At most one pull at a time a tenant and pipeline; a live run takes no slot.
CREATE UNIQUE INDEX sync_run_in_flight ON sync_run (tenant_id, pipeline_type)
    WHERE status = 'running' AND mode IN ('full', 'incremental', 'replay');
CREATE UNIQUE INDEX sync_run_live ON sync_run (tenant_id, pipeline_type)
    WHERE status = 'running' AND mode = 'live';
CREATE INDEX sync_run_tenant ON sync_run (tenant_id, pipeline_type, run_id DESC);

-- Where a run stands: one row a part of a stream, written with the records it covers.
CREATE TABLE sync_checkpoint (
    tenant_id uuid NOT NULL,
    run_id    bigint NOT NULL,
    stream    text NOT NULL,
    part      integer NOT NULL,
    position  jsonb NOT NULL,
    done      boolean NOT NULL DEFAULT false,
    records   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, stream, part),
    FOREIGN KEY (tenant_id, run_id) REFERENCES sync_run (tenant_id, run_id) ON DELETE CASCADE
);

-- What outlives a run: how far a connection's feed has been read.
CREATE TABLE sync_cursor (
    tenant_id     uuid NOT NULL,
    connection_id uuid NOT NULL,
    name          text NOT NULL,
    position      jsonb NOT NULL,
    updated_at    timestamptz NOT NULL DEFAULT memberintel_now(),
    PRIMARY KEY (connection_id, name),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connection (tenant_id, connection_id) ON DELETE CASCADE
);

-- Objects whose shape was not understood: the bytes are kept, nothing is guessed.
CREATE TABLE quarantine (
    tenant_id      uuid NOT NULL,
    quarantine_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id  uuid NOT NULL,
    pipeline_type  text NOT NULL,
    stream         text NOT NULL,
    source_id      text NOT NULL,
    reason         text NOT NULL,
    raw            bytea NOT NULL,
    api_version    text NOT NULL DEFAULT '',
    event_id       text NOT NULL DEFAULT '',
    fetched        boolean NOT NULL DEFAULT false,
    observed_at    timestamptz NOT NULL,
    observed_until timestamptz NOT NULL,
    seen_at        timestamptz NOT NULL DEFAULT memberintel_now(),
    UNIQUE (connection_id, stream, source_id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connection (tenant_id, connection_id) ON DELETE CASCADE
);

-- Private to the Stripe pipeline: the event ledger and the objects to be fetched again.
CREATE TABLE stripe_events_processed (
    tenant_id     uuid NOT NULL,
    livemode      boolean NOT NULL,
    event_id      text NOT NULL,
    type          text NOT NULL,
    event_created timestamptz NOT NULL,
    processed_at  timestamptz NOT NULL DEFAULT memberintel_now(),
    outcome       text NOT NULL
        CHECK (outcome IN ('applied', 'ignored', 'refetch', 'skipped_plan', 'quarantined')),
    PRIMARY KEY (tenant_id, livemode, event_id)
);

CREATE TABLE stripe_refetch (
    tenant_id      uuid NOT NULL,
    connection_id  uuid NOT NULL,
    stream         text NOT NULL,
    source_id      text NOT NULL,
    reason         text NOT NULL,
    after          timestamptz NOT NULL,  -- on the source's clock: only what was read later settles it
    due_at         timestamptz NOT NULL,
    attempts       integer NOT NULL DEFAULT 0,
    last_error     text,
    PRIMARY KEY (connection_id, stream, source_id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connection (tenant_id, connection_id) ON DELETE CASCADE
);
CREATE INDEX stripe_refetch_due ON stripe_refetch (connection_id, due_at);
