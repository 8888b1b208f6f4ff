-- +goose Up
-- Care for sites that the service does not control. What one machine learns of a site holds for all.

-- How a connection's source has been answering, and whether it is asked at all.
CREATE TABLE connection_care (
    tenant_id     uuid NOT NULL,
    connection_id uuid PRIMARY KEY,
    srtt_ms       double precision,            -- smoothed time to a whole answer; NULL before the first
    rttvar_ms     double precision,            -- how far answers stray from it
    timeouts      integer NOT NULL DEFAULT 0,  -- in a row; each doubles the next timeout
    page_size     integer NOT NULL,
    good_answers  integer NOT NULL DEFAULT 0,  -- in a row; the page grows after some
    breaker       text NOT NULL DEFAULT 'closed' CHECK (breaker IN ('closed', 'open', 'half_open')),
    failures      integer NOT NULL DEFAULT 0,  -- in a row
    openings      integer NOT NULL DEFAULT 0,  -- in a row; each doubles the next rest
    opened_at     timestamptz,
    retry_at      timestamptz,                 -- when an open breaker lets one request through
    probe_token   uuid,                        -- whose request that is
    probe_until   timestamptz,                 -- when it is taken for lost
    CHECK ((breaker = 'closed') = (opened_at IS NULL AND retry_at IS NULL)),
    CHECK ((breaker = 'half_open') = (probe_token IS NOT NULL AND probe_until IS NOT NULL)),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connection (tenant_id, connection_id) ON DELETE CASCADE
) WITH (fillfactor = 50); -- rewritten twice a request, so that the old versions find room on their own page

-- The pace of requests to one site, whoever asks: two tenants may name the same site, and it is one server.
-- It tells nobody's data, and no reader sees it.
CREATE TABLE site_pace (
    site        text PRIMARY KEY CHECK (site <> '' AND length(site) <= 300),
    next_at     timestamptz NOT NULL, -- when a request would be due if they came at an even pace (GCRA)
    quiet_until timestamptz,          -- the site asked for patience
    holder      uuid,                 -- whose request is under way
    held_until  timestamptz,          -- when it is taken for lost
    CHECK ((holder IS NULL) = (held_until IS NULL))
) WITH (fillfactor = 50);

-- +goose StatementBegin
DO $$
BEGIN
    ALTER TABLE connection_care ENABLE ROW LEVEL SECURITY;
    ALTER TABLE connection_care FORCE ROW LEVEL SECURITY;
    EXECUTE format('CREATE POLICY owner ON connection_care TO %I USING (true) WITH CHECK (true)', current_user);
END
$$;
-- +goose StatementEnd
CREATE POLICY tenant ON connection_care TO memberintel_app
    USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE ON connection_care, site_pace TO memberintel_app;

-- Whoever asks for a sync in a person's name closes the breaker; support sees why a tenant is not synced.
CREATE POLICY service ON connection_care TO memberintel_service USING (true) WITH CHECK (true);
GRANT SELECT (tenant_id, connection_id, breaker, opened_at, retry_at) ON connection_care TO memberintel_service;
GRANT UPDATE (breaker, failures, openings, opened_at, retry_at, probe_token, probe_until) ON connection_care TO memberintel_service;
CREATE POLICY operator ON connection_care FOR SELECT TO memberintel_operator USING (true);
GRANT SELECT ON connection_care TO memberintel_operator;

-- What helps against the last error itself, where that is known; else its kind tells.
ALTER TABLE connection ADD COLUMN last_error_checklist text[];
