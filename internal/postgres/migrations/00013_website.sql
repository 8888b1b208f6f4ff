-- +goose Up
-- What a site showed, the profile that was made of it, and the money that the making may cost.

-- The most that may be spent, in micro-dollars. The owner alone changes it; the program may ask for less, never for more.
CREATE TABLE budget_cap (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    day          bigint NOT NULL DEFAULT 100000000 CHECK (day >= 0),
    month        bigint NOT NULL DEFAULT 1500000000 CHECK (month >= 0),
    tenant_month bigint NOT NULL DEFAULT 200000 CHECK (tenant_month >= 0)
);
INSERT INTO budget_cap DEFAULT VALUES;

-- +goose StatementBegin
-- No way of raising the caps leaves no trace.
CREATE FUNCTION budget_cap_audited() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO audit_event (tenant_id, actor, action, subject, detail)
    VALUES ('00000000-0000-0000-0000-000000000000', session_user, 'budget.cap', 'claude',
            jsonb_build_object('before', to_jsonb(old) - 'only_row', 'now', to_jsonb(new) - 'only_row'));
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER budget_cap_audited AFTER UPDATE ON budget_cap FOR EACH ROW WHEN (old IS DISTINCT FROM new)
    EXECUTE FUNCTION budget_cap_audited();

-- What a million tokens cost, in micro-dollars, as its source said on the day that it was checked. The prompt is all
-- that was sent, cached or not; above tier_above tokens the whole request costs what stands in the last four.
CREATE TABLE llm_price (
    price_id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model             text NOT NULL,
    input             bigint NOT NULL CHECK (input > 0),
    output            bigint NOT NULL CHECK (output > 0),
    cache_write       bigint NOT NULL CHECK (cache_write > 0),
    cache_read        bigint NOT NULL CHECK (cache_read > 0),
    tier_above        bigint, -- null: one price for all sizes
    input_above       bigint NOT NULL,
    output_above      bigint NOT NULL,
    cache_write_above bigint NOT NULL,
    cache_read_above  bigint NOT NULL,
    batch_percent     integer NOT NULL DEFAULT 50 CHECK (batch_percent BETWEEN 1 AND 100),
    source            text NOT NULL,
    checked_on        date NOT NULL,
    UNIQUE (model, checked_on),
    CHECK (input_above >= input AND output_above >= output AND cache_write_above >= cache_write AND cache_read_above >= cache_read)
);
INSERT INTO llm_price (model, input, output, cache_write, cache_read, tier_above, input_above, output_above, cache_write_above, cache_read_above, source, checked_on)
SELECT model, input, output, input * 5 / 4, input / 10, tier_above, input_above, output_above, input_above * 5 / 4, input_above / 10,
       'https://platform.claude.com/docs/en/about-claude/pricing', '2026-11-01'
  FROM (VALUES ('claude-haiku-5-5', 100000, 500000, 100000, 500000, 2500000),
               ('claude-sonnet-5-5', 2000000, 10000000, NULL, 2000000, 10000000),
               ('claude-opus-5-5', 4000000, 20000000, NULL, 4000000, 20000000),
               ('claude-haiku-4-5', 1000000, 5000000, NULL, 1000000, 5000000))
    AS p (model, input, output, tier_above, input_above, output_above);

-- +goose StatementBegin
-- A price that is too low is a cap that is too high: no way of changing one leaves no trace. Before is the price that held.
CREATE FUNCTION llm_price_audited() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before jsonb := to_jsonb(old);
BEGIN
    IF tg_op = 'INSERT' THEN
        SELECT to_jsonb(p) INTO before FROM llm_price p WHERE p.model = new.model AND p.checked_on < new.checked_on ORDER BY p.checked_on DESC LIMIT 1;
    ELSIF old IS NOT DISTINCT FROM new THEN
        RETURN NULL;
    END IF;
    INSERT INTO audit_event (tenant_id, actor, action, subject, detail)
    VALUES ('00000000-0000-0000-0000-000000000000', session_user, 'budget.price', coalesce(new.model, old.model),
            jsonb_build_object('before', before, 'now', to_jsonb(new)));
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER llm_price_audited AFTER INSERT OR UPDATE OR DELETE ON llm_price FOR EACH ROW EXECUTE FUNCTION llm_price_audited();

-- What was promised to calls under way and what was paid: in all, by day and by month (UTC), and of each tenant by month.
-- What a call cost beyond its reservation stands in overrun: it fills the cap like the rest and cannot be refused any more.
CREATE TABLE spend_total (
    period    text NOT NULL CHECK (period IN ('day', 'month')),
    starts_on date NOT NULL,
    reserved  bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    settled   bigint NOT NULL DEFAULT 0 CHECK (settled >= 0),
    overrun   bigint NOT NULL DEFAULT 0 CHECK (overrun >= 0),
    cap       bigint NOT NULL, -- as it was for the last reservation
    PRIMARY KEY (period, starts_on),
    CONSTRAINT spend_total_cap CHECK (reserved + settled <= cap)
) WITH (fillfactor = 50);
CREATE TABLE spend_tenant (
    tenant_id uuid NOT NULL REFERENCES tenant,
    starts_on date NOT NULL,
    reserved  bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    settled   bigint NOT NULL DEFAULT 0 CHECK (settled >= 0),
    overrun   bigint NOT NULL DEFAULT 0 CHECK (overrun >= 0),
    cap       bigint NOT NULL,
    PRIMARY KEY (tenant_id, starts_on),
    CONSTRAINT spend_tenant_cap CHECK (reserved + settled <= cap)
);

-- The right to have a site analysed by Claude: once at first, once each ISO week by the clock, twice a day on demand.
-- Several sync runs may work on one until it has ended.
CREATE TABLE analysis (
    analysis_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   uuid NOT NULL,
    purpose     text NOT NULL CHECK (purpose IN ('first', 'scheduled', 'on_demand')),
    period      text NOT NULL, -- ever, 2026-W47 or 2026-11-22
    nth         integer NOT NULL CHECK (nth BETWEEN 1 AND CASE purpose WHEN 'on_demand' THEN 2 ELSE 1 END),
    run_id      bigint NOT NULL, -- the sync run that opened it
    created_at  timestamptz NOT NULL DEFAULT memberintel_now(),
    ended_at    timestamptz, -- an answer came that no other is asked for after
    UNIQUE (tenant_id, purpose, period, nth),
    UNIQUE (tenant_id, analysis_id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES sync_run (tenant_id, run_id)
);

-- One row for each call that may cost money, written before it is made. A call that was released has cost nothing, and
-- its row is taken again by the next try.
CREATE TABLE llm_call (
    call_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id    uuid NOT NULL,
    analysis_id  bigint NOT NULL,
    stage        text NOT NULL CHECK (stage = 'describe'), -- each one that is allowed buys an analysis two more calls
    attempt      integer NOT NULL CHECK (attempt BETWEEN 1 AND 2),
    run_id       bigint NOT NULL,
    model        text NOT NULL,
    price_id     bigint NOT NULL REFERENCES llm_price,
    batch        boolean NOT NULL,
    status       text NOT NULL DEFAULT 'reserved' CHECK (status IN ('reserved', 'settled', 'released', 'unknown')),
    token        uuid NOT NULL DEFAULT gen_random_uuid(), -- whoever reserved it knows it
    tries        integer NOT NULL DEFAULT 1 CHECK (tries <= 40),
    day          date NOT NULL,   -- whose spend_total it is in, whenever it is settled
    month        date NOT NULL,
    reserved     bigint NOT NULL CHECK (reserved > 0),
    cost         bigint CHECK (cost >= 0), -- what was charged; null while it is open
    input_tokens bigint, cache_write_tokens bigint, cache_read_tokens bigint, output_tokens bigint,
    stop_reason  text,
    request_id   text,
    created_at   timestamptz NOT NULL DEFAULT memberintel_now(),
    expires_at   timestamptz NOT NULL, -- when nobody is waiting for its answer any more
    closed_at    timestamptz,
    UNIQUE (analysis_id, stage, attempt),
    UNIQUE (tenant_id, call_id),
    CHECK ((status = 'reserved') = (closed_at IS NULL AND cost IS NULL)),
    FOREIGN KEY (tenant_id, analysis_id) REFERENCES analysis (tenant_id, analysis_id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES sync_run (tenant_id, run_id)
);
CREATE INDEX llm_call_open ON llm_call (expires_at) WHERE status = 'reserved';
CREATE INDEX llm_call_tenant ON llm_call (tenant_id, created_at);
CREATE INDEX llm_call_day ON llm_call (day, reserved);

-- Batches of questions at Claude. While one is being submitted no other is: should the answer to its creation be lost,
-- it is looked for among the batches that Claude lists, and two such could not be told apart.
CREATE TABLE llm_batch (
    batch_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id  text UNIQUE, -- null while it is not known
    status       text NOT NULL DEFAULT 'submitting' CHECK (status IN ('submitting', 'running', 'collected', 'lost')),
    questions    integer NOT NULL CHECK (questions > 0),
    created_at   timestamptz NOT NULL DEFAULT memberintel_now(),
    look_at      timestamptz NOT NULL DEFAULT memberintel_now(), -- whoever works on it puts this off; of one that is lost: when to send again
    look_token   uuid NOT NULL DEFAULT gen_random_uuid(),        -- whoever looked last
    submitted_at timestamptz,
    closed_at    timestamptz,
    CHECK (status NOT IN ('running', 'collected') OR provider_id IS NOT NULL)
);
CREATE UNIQUE INDEX llm_batch_submitting ON llm_batch ((true)) WHERE status = 'submitting';
CREATE INDEX llm_batch_open ON llm_batch (batch_id) WHERE status IN ('submitting', 'running');

-- A question that travels in a batch, and its answer until the pipeline takes both away.
CREATE TABLE llm_question (
    tenant_id   uuid NOT NULL,
    call_id     bigint PRIMARY KEY,
    custom_id   text NOT NULL UNIQUE,
    batch_id    bigint REFERENCES llm_batch, -- null: waits for one
    params      json NOT NULL,               -- json: the order of a schema's properties counts
    answer      json,                        -- the result's line as Claude sent it
    created_at  timestamptz NOT NULL DEFAULT memberintel_now(),
    answered_at timestamptz,
    CHECK ((answer IS NULL) = (answered_at IS NULL)),
    FOREIGN KEY (tenant_id, call_id) REFERENCES llm_call (tenant_id, call_id)
);
CREATE INDEX llm_question_waiting ON llm_question (call_id) WHERE batch_id IS NULL AND answer IS NULL;
CREATE INDEX llm_question_of ON llm_question (batch_id) WHERE answer IS NULL;
CREATE INDEX llm_question_answered ON llm_question (answered_at) WHERE answered_at IS NOT NULL;

-- What was told to operators: once for each thing that went wrong in a period.
CREATE TABLE budget_alarm (
    alarm     text NOT NULL, -- spend, skip_rate, unsettled, unanswered, price
    subject   text NOT NULL, -- of spend: day 80
    starts_on date NOT NULL,
    detail    text NOT NULL,
    raised_at timestamptz NOT NULL DEFAULT memberintel_now(),
    PRIMARY KEY (alarm, subject, starts_on)
);

-- Each reading of a site: what became of it, and what the change gate compares the next one with.
CREATE TABLE fetch_snapshot (
    tenant_id     uuid NOT NULL,
    snapshot_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id uuid NOT NULL,
    run_id        bigint NOT NULL,
    fetched_at    timestamptz NOT NULL,
    state         text NOT NULL CHECK (state IN ('up', 'down', 'blocked', 'parked', 'off_site', 'script_only', 'too_thin', 'disallowed')),
    detail        text NOT NULL DEFAULT '',
    facts_hash    bytea CHECK (length(facts_hash) = 32),
    body_simhash  bigint,
    text_hash     bytea CHECK (length(text_hash) = 32), -- site_text
    fingerprint   jsonb,                                -- what the hashes were made of, for telling what changed
    gate          text CHECK (gate IN ('unchanged', 'changed')), -- null: the site was not to be read
    gate_reason   text NOT NULL DEFAULT '',
    UNIQUE (tenant_id, snapshot_id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connection (tenant_id, connection_id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, run_id) REFERENCES sync_run (tenant_id, run_id)
);
CREATE INDEX fetch_snapshot_latest ON fetch_snapshot (connection_id, snapshot_id DESC);
CREATE INDEX fetch_snapshot_fetched ON fetch_snapshot (fetched_at);

CREATE TABLE page_snapshot (
    tenant_id     uuid NOT NULL,
    snapshot_id   bigint NOT NULL,
    position      integer NOT NULL,
    url           text NOT NULL,
    status        integer NOT NULL,
    etag          text NOT NULL DEFAULT '',
    last_modified text NOT NULL DEFAULT '',
    body_hash     bytea CHECK (length(body_hash) = 32),
    simhash       bigint,
    bytes         bigint NOT NULL,
    PRIMARY KEY (snapshot_id, position),
    FOREIGN KEY (tenant_id, snapshot_id) REFERENCES fetch_snapshot (tenant_id, snapshot_id) ON DELETE CASCADE
);

-- The text that a model read, by its SHA-256; kept for 90 days after its last use. HTML is never kept.
CREATE TABLE site_text (
    tenant_id    uuid NOT NULL,
    text_hash    bytea NOT NULL CHECK (length(text_hash) = 32),
    content      bytea NOT NULL, -- compressed
    bytes        integer NOT NULL, -- before that
    created_at   timestamptz NOT NULL DEFAULT memberintel_now(),
    last_used_at timestamptz NOT NULL DEFAULT memberintel_now(),
    PRIMARY KEY (tenant_id, text_hash)
);
CREATE INDEX site_text_used ON site_text (last_used_at);

-- How the site itself fares, apart from the profile: a site that is down has the profile that it had.
CREATE TABLE site_status (
    tenant_id     uuid NOT NULL,
    connection_id uuid PRIMARY KEY,
    state         text NOT NULL CHECK (state IN ('up', 'down', 'blocked', 'parked', 'off_site', 'script_only', 'too_thin', 'disallowed')),
    detail        text NOT NULL DEFAULT '',
    since         timestamptz NOT NULL DEFAULT memberintel_now(), -- it has been so
    checked_at    timestamptz NOT NULL DEFAULT memberintel_now(),
    last_up_at    timestamptz,
    stale         boolean NOT NULL DEFAULT false, -- the profile is of a site that could not be read again
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connection (tenant_id, connection_id) ON DELETE CASCADE
);

-- A profile is written once. Where it comes from: the reading and the call.
ALTER TABLE customer_brain.site_profile
    ADD COLUMN run_id         bigint,
    ADD COLUMN snapshot_id    bigint,
    ADD COLUMN call_id        bigint,
    ADD COLUMN text_hash      bytea,
    ADD COLUMN schema_version text,
    ADD CONSTRAINT site_profile_version CHECK (version > 0),
    ADD FOREIGN KEY (tenant_id, run_id) REFERENCES sync_run (tenant_id, run_id),
    ADD FOREIGN KEY (tenant_id, call_id) REFERENCES llm_call (tenant_id, call_id);
REVOKE INSERT ON customer_brain.site_profile FROM memberintel_app;
GRANT INSERT (tenant_id, version, niche, audience, positioning, pricing_patterns, content_patterns, evidence, changes, model, prompt_version,
              run_id, snapshot_id, call_id, text_hash, schema_version) ON customer_brain.site_profile TO memberintel_app;

-- +goose StatementBegin
DO $$
DECLARE t regclass;
BEGIN
    FOREACH t IN ARRAY ARRAY['spend_tenant', 'analysis', 'llm_call', 'llm_question', 'fetch_snapshot', 'page_snapshot', 'site_text',
                             'site_status']::regclass[]
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY owner ON %s TO %I USING (true) WITH CHECK (true)', t, current_user);
        EXECUTE format($p$CREATE POLICY tenant ON %s TO memberintel_app
            USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
            WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)$p$, t);
    END LOOP;
    -- The functions of the budget look at one tenant, which they take from the session; the reaper looks at all.
    FOREACH t IN ARRAY ARRAY['spend_tenant', 'analysis', 'llm_call']::regclass[]
    LOOP
        EXECUTE format('CREATE POLICY budget ON %s TO memberintel_budget USING (true) WITH CHECK (true)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %s TO memberintel_budget', t);
        EXECUTE format('GRANT SELECT ON %s TO memberintel_app', t);
        EXECUTE format('CREATE POLICY operator ON %s FOR SELECT TO memberintel_operator USING (true)', t);
        EXECUTE format('GRANT SELECT ON %s TO memberintel_operator', t);
    END LOOP;
END
$$;
-- +goose StatementEnd
CREATE POLICY budget ON tenant FOR SELECT TO memberintel_budget USING (true);
CREATE POLICY budget ON sync_run FOR SELECT TO memberintel_budget USING (true);
GRANT SELECT (tenant_id, plan) ON tenant TO memberintel_budget;
GRANT SELECT (run_id, tenant_id, pipeline_type, status, lease_expires_at) ON sync_run TO memberintel_budget;
GRANT SELECT ON switch, budget_cap, llm_price TO memberintel_budget;
GRANT SELECT, INSERT, UPDATE ON spend_total TO memberintel_budget;

GRANT SELECT ON budget_cap, llm_price, spend_total TO memberintel_app, memberintel_operator, memberintel_service;
GRANT SELECT, INSERT ON budget_alarm TO memberintel_service;
GRANT SELECT ON budget_alarm, llm_batch TO memberintel_operator;

GRANT SELECT, INSERT, DELETE, UPDATE (answer, answered_at) ON llm_question TO memberintel_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON fetch_snapshot, page_snapshot, site_text, site_status TO memberintel_app;

-- Batches hold questions of many tenants: the service role sends them and hands each answer to its tenant.
CREATE POLICY service ON llm_question TO memberintel_service USING (true);
GRANT SELECT, UPDATE (batch_id) ON llm_question TO memberintel_service;
GRANT SELECT, INSERT, UPDATE ON llm_batch TO memberintel_service;
CREATE POLICY service ON llm_call FOR SELECT TO memberintel_service USING (true);
GRANT SELECT (call_id, tenant_id, run_id, model, status, batch, day, reserved, created_at, expires_at) ON llm_call TO memberintel_service;
CREATE POLICY service ON fetch_snapshot FOR SELECT TO memberintel_service USING (true);
GRANT SELECT (tenant_id, connection_id, fetched_at, gate) ON fetch_snapshot TO memberintel_service;
-- It finds out whose texts are kept for too long, and reads none.
CREATE POLICY service ON site_text FOR SELECT TO memberintel_service USING (true);
CREATE POLICY service ON site_status FOR SELECT TO memberintel_service USING (true);
GRANT SELECT (tenant_id, last_used_at) ON site_text TO memberintel_service;
GRANT SELECT (tenant_id, connection_id, checked_at) ON site_status TO memberintel_service;
-- Whoever reads a profile sees beside it whether it is out of date.
CREATE POLICY reader ON site_status FOR SELECT TO memberintel_reader USING
    (tenant_id = (SELECT r.tenant_id FROM tenant_reader r WHERE r.role_name = session_user));
GRANT SELECT ON site_status TO memberintel_reader;
