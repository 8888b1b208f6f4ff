-- +goose Up
-- Who is told that a connection does not work, when, and what became of the mail.

-- Where news of the tenant's connections goes, until there are users of whom some are owners.
ALTER TABLE tenant ADD COLUMN contact_email text CHECK (contact_email <> '' AND length(contact_email) <= 254);

-- Since when a success has been due and has not come; NULL while none is. Whatever asks for a run sets it where it
-- is NULL, a success clears it, and a new connection waits from the start.
ALTER TABLE connection ADD COLUMN awaited_since timestamptz;
ALTER TABLE connection ALTER COLUMN awaited_since SET DEFAULT memberintel_now();
CREATE INDEX connection_awaited ON connection (awaited_since) WHERE awaited_since IS NOT NULL;
CREATE INDEX connection_ailing ON connection (tenant_id) WHERE consecutive_failures > 0 OR state = 'failed';

-- One row an outage, open for as long as it lasts.
CREATE TABLE alert_incident (
    tenant_id       uuid NOT NULL,
    incident_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id   uuid NOT NULL,
    pipeline_type   text NOT NULL,
    reason          text NOT NULL CHECK (reason IN ('failing', 'overdue', 'person')), -- the most urgent so far
    sentence        text NOT NULL,          -- what the owner was told, or would have been
    since           timestamptz NOT NULL,   -- since when a success had been due
    last_success_at timestamptz,            -- at the opening; another one means that it works again
    opened_at       timestamptz NOT NULL DEFAULT memberintel_now(),
    mail_after      timestamptz NOT NULL,   -- later than opened_at when the last outage has only just ended
    mailed_at       timestamptz,            -- when its mail was put in the outbox; NULL again when it never left
    ended_at        timestamptz,
    outcome         text CHECK (outcome IN ('recovered', 'disconnected')),
    CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    UNIQUE (tenant_id, incident_id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connection (tenant_id, connection_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX alert_incident_open ON alert_incident (connection_id) WHERE ended_at IS NULL;
CREATE INDEX alert_incident_ended ON alert_incident (connection_id, ended_at);

-- Mails on their way. The keys let an outage have one mail about its beginning and one about its end, however many
-- processes write them.
CREATE TABLE alert_outbox (
    tenant_id        uuid NOT NULL,
    mail_id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id      bigint NOT NULL,
    about            text NOT NULL CHECK (about IN ('outage', 'recovery')),
    recipient        text NOT NULL,
    subject          text NOT NULL,
    text             text NOT NULL,
    html             text NOT NULL DEFAULT '',
    created_at       timestamptz NOT NULL DEFAULT memberintel_now(),
    not_before       timestamptz NOT NULL DEFAULT memberintel_now(),
    attempts         integer NOT NULL DEFAULT 0,
    status           text NOT NULL DEFAULT 'waiting'
        CHECK (status IN ('waiting', 'sending', 'sent', 'dropped', 'uncertain')),
    lease_token      uuid,        -- who has it in hand
    lease_expires_at timestamptz,
    sent_at          timestamptz,
    last_error       text,        -- for the operator
    UNIQUE (incident_id, about, recipient),
    FOREIGN KEY (tenant_id, incident_id) REFERENCES alert_incident (tenant_id, incident_id) ON DELETE CASCADE
);
CREATE INDEX alert_outbox_due ON alert_outbox (not_before) WHERE status IN ('waiting', 'sending');

-- Until when a lateness counts for nothing, because work was stopped: by the name of the switch that stopped it. Two more
-- names tell whether somebody looks at all, watch:looked and watch:settling.
CREATE TABLE alert_quiet (
    scope text PRIMARY KEY,
    until timestamptz NOT NULL
);

-- +goose StatementBegin
DO $$
DECLARE t regclass;
BEGIN
    FOREACH t IN ARRAY ARRAY['alert_incident', 'alert_outbox']::regclass[]
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY owner ON %s TO %I USING (true) WITH CHECK (true)', t, current_user);
        EXECUTE format($p$CREATE POLICY tenant ON %s TO memberintel_app
            USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
            WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)$p$, t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %s TO memberintel_app', t);
        EXECUTE format('CREATE POLICY service ON %s TO memberintel_service USING (true)', t);
        EXECUTE format('CREATE POLICY operator ON %s FOR SELECT TO memberintel_operator USING (true)', t);
    END LOOP;
END
$$;
-- +goose StatementEnd

-- The service finds what ails without reading its error, and works the outbox off.
GRANT SELECT (last_error_kind, consecutive_failures, awaited_since), UPDATE (awaited_since) ON connection TO memberintel_service;
GRANT SELECT, DELETE ON alert_incident TO memberintel_service;
GRANT SELECT, UPDATE ON alert_outbox TO memberintel_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON alert_quiet TO memberintel_service;

-- Support sees what is wrong, who was told and whether the mail left, not its text.
GRANT SELECT ON alert_incident TO memberintel_operator;
GRANT SELECT (tenant_id, mail_id, incident_id, about, recipient, subject, created_at, not_before, attempts, status, sent_at, last_error)
    ON alert_outbox TO memberintel_operator;
