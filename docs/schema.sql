-- The schema as it stands after all migrations, read from PostgreSQL's catalogue. This file is generated:
-- `make update` writes it anew. It is for reading; the migrations make the database.

-- Roles: memberintel_app (login), memberintel_budget, memberintel_operator, memberintel_owner (login), memberintel_reader, memberintel_search, memberintel_service

CREATE TABLE alert_incident (
    tenant_id uuid NOT NULL,
    incident_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    connection_id uuid NOT NULL,
    pipeline_type text NOT NULL,
    reason text NOT NULL,
    sentence text NOT NULL,
    since timestamp with time zone NOT NULL,
    last_success_at timestamp with time zone,
    opened_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    mail_after timestamp with time zone NOT NULL,
    mailed_at timestamp with time zone,
    ended_at timestamp with time zone,
    outcome text,
    UNIQUE (tenant_id, incident_id),
    PRIMARY KEY (incident_id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connection(tenant_id, connection_id) ON DELETE CASCADE,
    CHECK (((ended_at IS NULL) = (outcome IS NULL))),
    CHECK ((outcome = ANY (ARRAY['recovered'::text, 'disconnected'::text]))),
    CHECK ((reason = ANY (ARRAY['failing'::text, 'overdue'::text, 'person'::text])))
);
CREATE INDEX alert_incident_ended ON public.alert_incident USING btree (connection_id, ended_at);
CREATE UNIQUE INDEX alert_incident_open ON public.alert_incident USING btree (connection_id) WHERE (ended_at IS NULL);

CREATE TABLE alert_outbox (
    tenant_id uuid NOT NULL,
    mail_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    incident_id bigint NOT NULL,
    about text NOT NULL,
    recipient text NOT NULL,
    subject text NOT NULL,
    text text NOT NULL,
    html text NOT NULL DEFAULT ''::text,
    created_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    not_before timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    attempts integer NOT NULL DEFAULT 0,
    status text NOT NULL DEFAULT 'waiting'::text,
    lease_token uuid,
    lease_expires_at timestamp with time zone,
    sent_at timestamp with time zone,
    last_error text,
    UNIQUE (incident_id, about, recipient),
    PRIMARY KEY (mail_id),
    FOREIGN KEY (tenant_id, incident_id) REFERENCES alert_incident(tenant_id, incident_id) ON DELETE CASCADE,
    CHECK ((about = ANY (ARRAY['outage'::text, 'recovery'::text]))),
    CHECK ((status = ANY (ARRAY['waiting'::text, 'sending'::text, 'sent'::text, 'dropped'::text, 'uncertain'::text])))
);
CREATE INDEX alert_outbox_due ON public.alert_outbox USING btree (not_before) WHERE (status = ANY (ARRAY['waiting'::text, 'sending'::text]));

CREATE TABLE alert_quiet (
    scope text NOT NULL,
    until timestamp with time zone NOT NULL,
    PRIMARY KEY (scope)
);

CREATE TABLE analysis (
    analysis_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    tenant_id uuid NOT NULL,
    purpose text NOT NULL,
    period text NOT NULL,
    nth integer NOT NULL,
    run_id bigint NOT NULL,
    created_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    ended_at timestamp with time zone,
    UNIQUE (tenant_id, analysis_id),
    UNIQUE (tenant_id, purpose, period, nth),
    PRIMARY KEY (analysis_id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES sync_run(tenant_id, run_id),
    CHECK (((nth >= 1) AND (nth <=
CASE purpose
    WHEN 'on_demand'::text THEN 2
    ELSE 1
END))),
    CHECK ((purpose = ANY (ARRAY['first'::text, 'scheduled'::text, 'on_demand'::text])))
);

CREATE TABLE attempt_rate (
    subject bytea NOT NULL,
    attempts integer NOT NULL,
    until timestamp with time zone NOT NULL,
    PRIMARY KEY (subject),
    CHECK ((length(subject) = 32))
);
CREATE INDEX attempt_rate_until ON public.attempt_rate USING btree (until);

CREATE TABLE audit_event (
    audit_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    tenant_id uuid NOT NULL,
    at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}'::jsonb,
    PRIMARY KEY (audit_id)
);
CREATE INDEX audit_event_tenant ON public.audit_event USING btree (tenant_id, at);

CREATE TABLE budget_alarm (
    alarm text NOT NULL,
    subject text NOT NULL,
    starts_on date NOT NULL,
    detail text NOT NULL,
    raised_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    PRIMARY KEY (alarm, subject, starts_on)
);

CREATE TABLE budget_cap (
    only_row boolean NOT NULL DEFAULT true,
    day bigint NOT NULL DEFAULT 100000000,
    month bigint NOT NULL DEFAULT 1500000000,
    tenant_month bigint NOT NULL DEFAULT 200000,
    PRIMARY KEY (only_row),
    CHECK ((day >= 0)),
    CHECK ((month >= 0)),
    CHECK ((tenant_month >= 0)),
    CHECK (only_row)
);

CREATE TABLE connect_code (
    tenant_id uuid NOT NULL,
    code_hash bytea NOT NULL,
    user_id uuid NOT NULL,
    site_url text NOT NULL,
    site_id uuid NOT NULL,
    callback text NOT NULL,
    challenge text NOT NULL,
    created_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    expires_at timestamp with time zone NOT NULL,
    spent_at timestamp with time zone,
    PRIMARY KEY (code_hash),
    FOREIGN KEY (tenant_id, user_id) REFERENCES tenant_user(tenant_id, user_id) ON DELETE CASCADE,
    CHECK ((length(code_hash) = 32))
);
CREATE INDEX connect_code_expires ON public.connect_code USING btree (expires_at);
CREATE INDEX connect_code_user ON public.connect_code USING btree (tenant_id, user_id);

CREATE TABLE connected_home (
    tenant_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    home_url text NOT NULL,
    home_hash bytea NOT NULL,
    agreed_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    confirmed_at timestamp with time zone,
    strange_url text,
    PRIMARY KEY (connection_id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connection(tenant_id, connection_id) ON DELETE CASCADE,
    CHECK ((length(home_hash) = 32))
);

CREATE TABLE connection (
    connection_id uuid NOT NULL DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL,
    pipeline_type text NOT NULL,
    source_account_id text NOT NULL DEFAULT ''::text,
    account_confirmed boolean NOT NULL DEFAULT false,
    livemode boolean NOT NULL DEFAULT false,
    credential_kind text NOT NULL DEFAULT ''::text,
    state text NOT NULL DEFAULT 'pending'::text,
    generation bigint NOT NULL DEFAULT 1,
    mapping_version integer NOT NULL DEFAULT 0,
    created_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    connected_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    disconnected_at timestamp with time zone,
    last_attempt_at timestamp with time zone,
    last_success_at timestamp with time zone,
    last_error text,
    last_error_kind text,
    last_error_cause text,
    last_error_beside text,
    consecutive_failures integer NOT NULL DEFAULT 0,
    response_ms integer,
    next_sync_at timestamp with time zone,
    refetch_due_at timestamp with time zone,
    not_permitted text[] NOT NULL DEFAULT '{}'::text[],
    awaited_since timestamp with time zone DEFAULT memberintel_now(),
    last_error_checklist text[],
    UNIQUE (tenant_id, connection_id),
    UNIQUE (tenant_id, pipeline_type),
    PRIMARY KEY (connection_id),
    FOREIGN KEY (tenant_id) REFERENCES tenant(tenant_id),
    CHECK ((last_error_beside = ANY (ARRAY['push'::text, 'refetch'::text, 'describe'::text]))),
    CHECK ((pipeline_type ~ '^[a-z][a-z0-9_]{0,39}$'::text)),
    CHECK ((state = ANY (ARRAY['pending'::text, 'connected'::text, 'degraded'::text, 'failed'::text, 'paused'::text, 'disconnected'::text])))
);
CREATE UNIQUE INDEX connection_account ON public.connection USING btree (pipeline_type, source_account_id, livemode) WHERE (account_confirmed AND (source_account_id <> ''::text) AND (state <> 'disconnected'::text));
CREATE INDEX connection_ailing ON public.connection USING btree (tenant_id) WHERE ((consecutive_failures > 0) OR (state = 'failed'::text));
CREATE INDEX connection_awaited ON public.connection USING btree (awaited_since) WHERE (awaited_since IS NOT NULL);
CREATE INDEX connection_refetch_due ON public.connection USING btree (refetch_due_at) WHERE (refetch_due_at IS NOT NULL);
CREATE INDEX connection_route ON public.connection USING btree (pipeline_type, source_account_id);
CREATE INDEX connection_sync_due ON public.connection USING btree (next_sync_at) WHERE ((next_sync_at IS NOT NULL) AND (state <> ALL (ARRAY['disconnected'::text, 'paused'::text])));
CREATE INDEX connection_unscheduled ON public.connection USING btree (connected_at) WHERE ((next_sync_at IS NULL) AND (state <> 'disconnected'::text));

CREATE TABLE connection_care (
    tenant_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    srtt_ms double precision,
    rttvar_ms double precision,
    timeouts integer NOT NULL DEFAULT 0,
    page_size integer NOT NULL,
    good_answers integer NOT NULL DEFAULT 0,
    breaker text NOT NULL DEFAULT 'closed'::text,
    failures integer NOT NULL DEFAULT 0,
    openings integer NOT NULL DEFAULT 0,
    opened_at timestamp with time zone,
    retry_at timestamp with time zone,
    probe_token uuid,
    probe_until timestamp with time zone,
    PRIMARY KEY (connection_id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connection(tenant_id, connection_id) ON DELETE CASCADE,
    CHECK (((breaker = 'closed'::text) = ((opened_at IS NULL) AND (retry_at IS NULL)))),
    CHECK (((breaker = 'half_open'::text) = ((probe_token IS NOT NULL) AND (probe_until IS NOT NULL)))),
    CHECK ((breaker = ANY (ARRAY['closed'::text, 'open'::text, 'half_open'::text])))
);

CREATE TABLE connection_secret (
    tenant_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    name text NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    PRIMARY KEY (connection_id, name),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connection(tenant_id, connection_id) ON DELETE CASCADE
);

CREATE TABLE content_rules (
    tenant_id uuid NOT NULL,
    source_platform text NOT NULL,
    source_account_id text NOT NULL,
    livemode boolean NOT NULL,
    source_id text NOT NULL,
    source_api_version text NOT NULL DEFAULT ''::text,
    raw jsonb,
    observed_at timestamp with time zone NOT NULL,
    observed_until timestamp with time zone NOT NULL,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_verified_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    synced_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_event_id text,
    deleted_at timestamp with time zone,
    delete_reason text,
    title text,
    rule_type text,
    target text,
    active boolean,
    plan_source_ids jsonb NOT NULL DEFAULT '[]'::jsonb,
    PRIMARY KEY (tenant_id, source_platform, source_account_id, livemode, source_id),
    CHECK (((deleted_at IS NULL) = (delete_reason IS NULL))),
    CHECK ((delete_reason = ANY (ARRAY['event'::text, 'sweep'::text, 'missing'::text])))
);

CREATE TABLE customer_brain.site_profile (
    tenant_id uuid NOT NULL,
    version integer NOT NULL,
    created_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    niche text,
    audience text,
    positioning text,
    pricing_patterns jsonb,
    content_patterns jsonb,
    evidence jsonb,
    changes jsonb,
    model text,
    prompt_version text,
    run_id bigint,
    snapshot_id bigint,
    call_id bigint,
    text_hash bytea,
    schema_version text,
    connection_id uuid,
    grounded real,
    fresh boolean NOT NULL DEFAULT true,
    PRIMARY KEY (tenant_id, version),
    FOREIGN KEY (tenant_id, call_id) REFERENCES llm_call(tenant_id, call_id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES sync_run(tenant_id, run_id),
    CHECK (((grounded >= (0)::double precision) AND (grounded <= (1)::double precision))),
    CHECK ((version > 0))
);
CREATE INDEX site_profile_of ON customer_brain.site_profile USING btree (connection_id, version DESC);

CREATE TABLE fetch_snapshot (
    tenant_id uuid NOT NULL,
    snapshot_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    connection_id uuid NOT NULL,
    run_id bigint NOT NULL,
    fetched_at timestamp with time zone NOT NULL,
    state text NOT NULL,
    detail text NOT NULL DEFAULT ''::text,
    facts_hash bytea,
    body_simhash bigint,
    text_hash bytea,
    fingerprint jsonb,
    gate text,
    gate_reason text NOT NULL DEFAULT ''::text,
    UNIQUE (tenant_id, snapshot_id),
    PRIMARY KEY (snapshot_id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connection(tenant_id, connection_id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, run_id) REFERENCES sync_run(tenant_id, run_id),
    CHECK ((gate = ANY (ARRAY['unchanged'::text, 'changed'::text]))),
    CHECK ((length(facts_hash) = 32)),
    CHECK ((length(text_hash) = 32)),
    CHECK ((state = ANY (ARRAY['up'::text, 'down'::text, 'blocked'::text, 'parked'::text, 'off_site'::text, 'script_only'::text, 'too_thin'::text, 'disallowed'::text])))
);
CREATE INDEX fetch_snapshot_fetched ON public.fetch_snapshot USING btree (fetched_at);
CREATE INDEX fetch_snapshot_latest ON public.fetch_snapshot USING btree (connection_id, snapshot_id DESC);

CREATE TABLE invoices (
    tenant_id uuid NOT NULL,
    source_platform text NOT NULL,
    source_account_id text NOT NULL,
    livemode boolean NOT NULL,
    source_id text NOT NULL,
    source_api_version text NOT NULL DEFAULT ''::text,
    raw jsonb,
    observed_at timestamp with time zone NOT NULL,
    observed_until timestamp with time zone NOT NULL,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_verified_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    synced_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_event_id text,
    deleted_at timestamp with time zone,
    delete_reason text,
    number text,
    member_source_id text,
    subscription_source_id text,
    intent_source_id text,
    payment_source_id text,
    status text,
    native_status text,
    billing_reason text,
    currency text,
    amount_due_minor bigint,
    amount_paid_minor bigint,
    amount_remaining_minor bigint,
    subtotal_minor bigint,
    total_minor bigint,
    attempt_count integer,
    period_start timestamp with time zone,
    period_end timestamp with time zone,
    due_at timestamp with time zone,
    finalized_at timestamp with time zone,
    paid_at timestamp with time zone,
    voided_at timestamp with time zone,
    next_attempt_at timestamp with time zone,
    allocations_known boolean,
    metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
    PRIMARY KEY (tenant_id, source_platform, source_account_id, livemode, source_id),
    CHECK (((deleted_at IS NULL) = (delete_reason IS NULL))),
    CHECK ((delete_reason = ANY (ARRAY['event'::text, 'sweep'::text, 'missing'::text]))),
    CHECK ((status = ANY (ARRAY['draft'::text, 'open'::text, 'paid'::text, 'uncollectible'::text, 'void'::text])))
);
CREATE INDEX invoices_intent ON public.invoices USING btree (tenant_id, intent_source_id) WHERE (intent_source_id IS NOT NULL);
CREATE INDEX invoices_member ON public.invoices USING btree (tenant_id, member_source_id);
CREATE INDEX invoices_payment ON public.invoices USING btree (tenant_id, payment_source_id) WHERE (payment_source_id IS NOT NULL);
CREATE INDEX invoices_subscription ON public.invoices USING btree (tenant_id, subscription_source_id);

CREATE TABLE llm_batch (
    batch_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    provider_id text,
    status text NOT NULL DEFAULT 'submitting'::text,
    questions integer NOT NULL,
    created_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    look_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    look_token uuid NOT NULL DEFAULT gen_random_uuid(),
    submitted_at timestamp with time zone,
    closed_at timestamp with time zone,
    UNIQUE (provider_id),
    PRIMARY KEY (batch_id),
    CHECK (((status <> ALL (ARRAY['running'::text, 'collected'::text])) OR (provider_id IS NOT NULL))),
    CHECK ((questions > 0)),
    CHECK ((status = ANY (ARRAY['submitting'::text, 'running'::text, 'collected'::text, 'lost'::text])))
);
CREATE INDEX llm_batch_open ON public.llm_batch USING btree (batch_id) WHERE (status = ANY (ARRAY['submitting'::text, 'running'::text]));
CREATE UNIQUE INDEX llm_batch_submitting ON public.llm_batch USING btree ((true)) WHERE (status = 'submitting'::text);

CREATE TABLE llm_call (
    call_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    tenant_id uuid NOT NULL,
    analysis_id bigint NOT NULL,
    stage text NOT NULL,
    attempt integer NOT NULL,
    run_id bigint NOT NULL,
    model text NOT NULL,
    price_id bigint NOT NULL,
    batch boolean NOT NULL,
    status text NOT NULL DEFAULT 'reserved'::text,
    token uuid NOT NULL DEFAULT gen_random_uuid(),
    tries integer NOT NULL DEFAULT 1,
    day date NOT NULL,
    month date NOT NULL,
    reserved bigint NOT NULL,
    cost bigint,
    input_tokens bigint,
    cache_write_tokens bigint,
    cache_read_tokens bigint,
    output_tokens bigint,
    stop_reason text,
    request_id text,
    created_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    expires_at timestamp with time zone NOT NULL,
    closed_at timestamp with time zone,
    UNIQUE (analysis_id, stage, attempt),
    UNIQUE (tenant_id, call_id),
    PRIMARY KEY (call_id),
    FOREIGN KEY (price_id) REFERENCES llm_price(price_id),
    FOREIGN KEY (tenant_id, analysis_id) REFERENCES analysis(tenant_id, analysis_id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES sync_run(tenant_id, run_id),
    CHECK (((attempt >= 1) AND (attempt <= 2))),
    CHECK (((status = 'reserved'::text) = ((closed_at IS NULL) AND (cost IS NULL)))),
    CHECK ((cost >= 0)),
    CHECK ((reserved > 0)),
    CHECK ((stage = 'describe'::text)),
    CHECK ((status = ANY (ARRAY['reserved'::text, 'settled'::text, 'released'::text, 'unknown'::text]))),
    CHECK ((tries <= 40))
);
CREATE INDEX llm_call_day ON public.llm_call USING btree (day, reserved);
CREATE INDEX llm_call_open ON public.llm_call USING btree (expires_at) WHERE (status = 'reserved'::text);
CREATE INDEX llm_call_tenant ON public.llm_call USING btree (tenant_id, created_at);

CREATE TABLE llm_price (
    price_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    model text NOT NULL,
    input bigint NOT NULL,
    output bigint NOT NULL,
    cache_write bigint NOT NULL,
    cache_read bigint NOT NULL,
    tier_above bigint,
    input_above bigint NOT NULL,
    output_above bigint NOT NULL,
    cache_write_above bigint NOT NULL,
    cache_read_above bigint NOT NULL,
    batch_percent integer NOT NULL DEFAULT 50,
    source text NOT NULL,
    checked_on date NOT NULL,
    UNIQUE (model, checked_on),
    PRIMARY KEY (price_id),
    CHECK (((batch_percent >= 1) AND (batch_percent <= 100))),
    CHECK (((input_above >= input) AND (output_above >= output) AND (cache_write_above >= cache_write) AND (cache_read_above >= cache_read))),
    CHECK ((cache_read > 0)),
    CHECK ((cache_write > 0)),
    CHECK ((input > 0)),
    CHECK ((output > 0))
);

CREATE TABLE llm_question (
    tenant_id uuid NOT NULL,
    call_id bigint NOT NULL,
    custom_id text NOT NULL,
    batch_id bigint,
    params json NOT NULL,
    answer json,
    created_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    answered_at timestamp with time zone,
    UNIQUE (custom_id),
    PRIMARY KEY (call_id),
    FOREIGN KEY (batch_id) REFERENCES llm_batch(batch_id),
    FOREIGN KEY (tenant_id, call_id) REFERENCES llm_call(tenant_id, call_id),
    CHECK (((answer IS NULL) = (answered_at IS NULL)))
);
CREATE INDEX llm_question_answered ON public.llm_question USING btree (answered_at) WHERE (answered_at IS NOT NULL);
CREATE INDEX llm_question_of ON public.llm_question USING btree (batch_id) WHERE (answer IS NULL);
CREATE INDEX llm_question_waiting ON public.llm_question USING btree (call_id) WHERE ((batch_id IS NULL) AND (answer IS NULL));

CREATE TABLE member_clock (
    tenant_id uuid NOT NULL,
    due_at timestamp with time zone NOT NULL,
    PRIMARY KEY (tenant_id),
    FOREIGN KEY (tenant_id) REFERENCES tenant(tenant_id) ON DELETE CASCADE
);
CREATE INDEX member_clock_due ON public.member_clock USING btree (due_at);

CREATE TABLE member_foreign_id (
    tenant_id uuid NOT NULL,
    source_platform text NOT NULL,
    source_account_id text NOT NULL,
    livemode boolean NOT NULL,
    source_id text NOT NULL,
    foreign_id text NOT NULL,
    PRIMARY KEY (tenant_id, source_platform, source_account_id, livemode, source_id, foreign_id),
    FOREIGN KEY (tenant_id) REFERENCES tenant(tenant_id) ON DELETE CASCADE
);
CREATE INDEX member_foreign_id_borne ON public.member_foreign_id USING btree (tenant_id, foreign_id);

CREATE TABLE members (
    tenant_id uuid NOT NULL,
    source_platform text NOT NULL,
    source_account_id text NOT NULL,
    livemode boolean NOT NULL,
    source_id text NOT NULL,
    source_api_version text NOT NULL DEFAULT ''::text,
    raw jsonb,
    observed_at timestamp with time zone NOT NULL,
    observed_until timestamp with time zone NOT NULL,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_verified_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    synced_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_event_id text,
    deleted_at timestamp with time zone,
    delete_reason text,
    id bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY,
    email text,
    name text,
    phone text,
    address jsonb,
    description text,
    currency text,
    metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
    signup_at timestamp with time zone,
    member_number text,
    join_date date,
    membership_type text,
    preferred_court text,
    skill_level text,
    emergency_contact_name text,
    emergency_contact_phone text,
    membership_status text NOT NULL DEFAULT 'none'::text,
    plan_source_id text,
    access_until timestamp with time zone,
    lifetime boolean NOT NULL DEFAULT false,
    last_activity_at timestamp with time zone,
    person_id uuid,
    sort_name text GENERATED ALWAYS AS (lower("left"(COALESCE(name, ''::text), 100))) STORED,
    email_letter text GENERATED ALWAYS AS ("left"(lower("left"(COALESCE(email, ''::text), 1)), 1)) STORED,
    email_start text GENERATED ALWAYS AS ("left"(lower("left"(COALESCE(email, ''::text), 2)), 2)) STORED,
    search_text text GENERATED ALWAYS AS (lower((("left"(COALESCE(name, ''::text), 100) || ' '::text) || "left"(COALESCE(email, ''::text), 140)))) STORED,
    foreign_ids jsonb,
    last_login_at timestamp with time zone,
    status_until timestamp with time zone,
    PRIMARY KEY (tenant_id, source_platform, source_account_id, livemode, source_id),
    CHECK (((deleted_at IS NULL) = (delete_reason IS NULL))),
    CHECK ((delete_reason = ANY (ARRAY['event'::text, 'sweep'::text, 'missing'::text])))
);
CREATE INDEX members_email ON public.members USING btree (tenant_id, email_letter, sort_name, id) INCLUDE (email_start, membership_status, plan_source_id) WHERE ((email_start <> "left"(sort_name, 2)) AND (email_start <> ''::text));
CREATE INDEX members_person ON public.members USING btree (tenant_id, person_id) WHERE (person_id IS NOT NULL);
CREATE INDEX members_plan ON public.members USING btree (tenant_id, plan_source_id, membership_status, sort_name, id);
CREATE INDEX members_search ON public.members USING gin (tenant_id, search_text gin_trgm_ops, metadata jsonb_path_ops);
CREATE INDEX members_sort ON public.members USING btree (tenant_id, sort_name, id) INCLUDE (search_text, membership_status, plan_source_id);
CREATE INDEX members_status ON public.members USING btree (tenant_id, membership_status, sort_name, id);
CREATE INDEX members_status_until ON public.members USING btree (tenant_id, status_until) WHERE (status_until IS NOT NULL);

CREATE TABLE orders (
    tenant_id uuid NOT NULL,
    source_platform text NOT NULL,
    source_account_id text NOT NULL,
    livemode boolean NOT NULL,
    source_id text NOT NULL,
    source_api_version text NOT NULL DEFAULT ''::text,
    raw jsonb,
    observed_at timestamp with time zone NOT NULL,
    observed_until timestamp with time zone NOT NULL,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_verified_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    synced_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_event_id text,
    deleted_at timestamp with time zone,
    delete_reason text,
    member_source_id text,
    transaction_source_id text,
    foreign_id text,
    status text,
    native_status text,
    PRIMARY KEY (tenant_id, source_platform, source_account_id, livemode, source_id),
    CHECK (((deleted_at IS NULL) = (delete_reason IS NULL))),
    CHECK ((delete_reason = ANY (ARRAY['event'::text, 'sweep'::text, 'missing'::text]))),
    CHECK ((status = ANY (ARRAY['pending'::text, 'succeeded'::text, 'failed'::text])))
);
CREATE INDEX orders_foreign ON public.orders USING btree (tenant_id, foreign_id) WHERE (foreign_id IS NOT NULL);

CREATE TABLE page_snapshot (
    tenant_id uuid NOT NULL,
    snapshot_id bigint NOT NULL,
    "position" integer NOT NULL,
    url text NOT NULL,
    status integer NOT NULL,
    etag text NOT NULL DEFAULT ''::text,
    last_modified text NOT NULL DEFAULT ''::text,
    body_hash bytea,
    simhash bigint,
    bytes bigint NOT NULL,
    PRIMARY KEY (snapshot_id, "position"),
    FOREIGN KEY (tenant_id, snapshot_id) REFERENCES fetch_snapshot(tenant_id, snapshot_id) ON DELETE CASCADE,
    CHECK ((length(body_hash) = 32))
);

CREATE TABLE payment_allocations (
    tenant_id uuid NOT NULL,
    source_platform text NOT NULL,
    source_account_id text NOT NULL,
    livemode boolean NOT NULL,
    source_id text NOT NULL,
    source_api_version text NOT NULL DEFAULT ''::text,
    raw jsonb,
    observed_at timestamp with time zone NOT NULL,
    observed_until timestamp with time zone NOT NULL,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_verified_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    synced_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_event_id text,
    deleted_at timestamp with time zone,
    delete_reason text,
    invoice_source_id text,
    payment_source_id text,
    intent_source_id text,
    amount_minor bigint,
    currency text,
    is_default boolean,
    status text,
    native_status text,
    paid_at timestamp with time zone,
    PRIMARY KEY (tenant_id, source_platform, source_account_id, livemode, source_id),
    CHECK (((deleted_at IS NULL) = (delete_reason IS NULL))),
    CHECK ((delete_reason = ANY (ARRAY['event'::text, 'sweep'::text, 'missing'::text]))),
    CHECK ((status = ANY (ARRAY['open'::text, 'paid'::text, 'canceled'::text])))
);
CREATE INDEX payment_allocations_intent ON public.payment_allocations USING btree (tenant_id, intent_source_id) WHERE (intent_source_id IS NOT NULL);
CREATE INDEX payment_allocations_invoice ON public.payment_allocations USING btree (tenant_id, invoice_source_id);
CREATE INDEX payment_allocations_payment ON public.payment_allocations USING btree (tenant_id, payment_source_id) WHERE (payment_source_id IS NOT NULL);

CREATE TABLE payment_intents (
    tenant_id uuid NOT NULL,
    source_platform text NOT NULL,
    source_account_id text NOT NULL,
    livemode boolean NOT NULL,
    source_id text NOT NULL,
    source_api_version text NOT NULL DEFAULT ''::text,
    raw jsonb,
    observed_at timestamp with time zone NOT NULL,
    observed_until timestamp with time zone NOT NULL,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_verified_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    synced_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_event_id text,
    deleted_at timestamp with time zone,
    delete_reason text,
    member_source_id text,
    payment_source_id text,
    amount_minor bigint,
    amount_received_minor bigint,
    currency text,
    status text,
    native_status text,
    canceled_at timestamp with time zone,
    failure_code text,
    description text,
    metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
    PRIMARY KEY (tenant_id, source_platform, source_account_id, livemode, source_id),
    CHECK (((deleted_at IS NULL) = (delete_reason IS NULL))),
    CHECK ((delete_reason = ANY (ARRAY['event'::text, 'sweep'::text, 'missing'::text]))),
    CHECK ((status = ANY (ARRAY['pending'::text, 'processing'::text, 'requires_capture'::text, 'succeeded'::text, 'canceled'::text])))
);
CREATE INDEX payment_intents_payment ON public.payment_intents USING btree (tenant_id, payment_source_id) WHERE (payment_source_id IS NOT NULL);

CREATE TABLE plans (
    tenant_id uuid NOT NULL,
    source_platform text NOT NULL,
    source_account_id text NOT NULL,
    livemode boolean NOT NULL,
    source_id text NOT NULL,
    source_api_version text NOT NULL DEFAULT ''::text,
    raw jsonb,
    observed_at timestamp with time zone NOT NULL,
    observed_until timestamp with time zone NOT NULL,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_verified_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    synced_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_event_id text,
    deleted_at timestamp with time zone,
    delete_reason text,
    level text,
    product_source_id text,
    name text,
    description text,
    active boolean,
    billing_type text,
    amount_minor bigint,
    unit_amount_decimal numeric,
    currency text,
    interval_unit text,
    interval_count integer,
    usage_type text,
    billing_scheme text,
    metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
    PRIMARY KEY (tenant_id, source_platform, source_account_id, livemode, source_id),
    CHECK (((deleted_at IS NULL) = (delete_reason IS NULL))),
    CHECK ((billing_type = ANY (ARRAY['one_time'::text, 'recurring'::text]))),
    CHECK ((delete_reason = ANY (ARRAY['event'::text, 'sweep'::text, 'missing'::text]))),
    CHECK ((interval_unit = ANY (ARRAY['day'::text, 'week'::text, 'month'::text, 'year'::text]))),
    CHECK ((level = ANY (ARRAY['product'::text, 'price'::text])))
);

CREATE TABLE quarantine (
    tenant_id uuid NOT NULL,
    quarantine_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    connection_id uuid NOT NULL,
    pipeline_type text NOT NULL,
    stream text NOT NULL,
    source_id text NOT NULL,
    reason text NOT NULL,
    raw bytea NOT NULL,
    api_version text NOT NULL DEFAULT ''::text,
    event_id text NOT NULL DEFAULT ''::text,
    fetched boolean NOT NULL DEFAULT false,
    observed_at timestamp with time zone NOT NULL,
    observed_until timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    UNIQUE (connection_id, stream, source_id),
    PRIMARY KEY (quarantine_id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connection(tenant_id, connection_id) ON DELETE CASCADE
);

CREATE TABLE run_slot (
    slot_id integer NOT NULL,
    token bigint,
    held_by bigint,
    expires_at timestamp with time zone,
    PRIMARY KEY (slot_id)
);

CREATE TABLE schedule_pace (
    only_row boolean NOT NULL DEFAULT true,
    allowance double precision NOT NULL DEFAULT 0,
    as_of timestamp with time zone,
    mean double precision NOT NULL DEFAULT 0,
    counted_at timestamp with time zone,
    PRIMARY KEY (only_row),
    CHECK (only_row)
);

CREATE TABLE site_pace (
    site text NOT NULL,
    next_at timestamp with time zone NOT NULL,
    quiet_until timestamp with time zone,
    holder uuid,
    held_until timestamp with time zone,
    PRIMARY KEY (site),
    CHECK (((holder IS NULL) = (held_until IS NULL))),
    CHECK (((site <> ''::text) AND (length(site) <= 300)))
);

CREATE TABLE site_status (
    tenant_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    state text NOT NULL,
    detail text NOT NULL DEFAULT ''::text,
    since timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    checked_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_up_at timestamp with time zone,
    stale boolean NOT NULL DEFAULT false,
    PRIMARY KEY (connection_id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connection(tenant_id, connection_id) ON DELETE CASCADE,
    CHECK ((state = ANY (ARRAY['up'::text, 'down'::text, 'blocked'::text, 'parked'::text, 'off_site'::text, 'script_only'::text, 'too_thin'::text, 'disallowed'::text])))
);

CREATE TABLE site_text (
    tenant_id uuid NOT NULL,
    text_hash bytea NOT NULL,
    content bytea NOT NULL,
    bytes integer NOT NULL,
    created_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_used_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    PRIMARY KEY (tenant_id, text_hash),
    CHECK ((length(text_hash) = 32))
);
CREATE INDEX site_text_used ON public.site_text USING btree (last_used_at);

CREATE TABLE sites (
    tenant_id uuid NOT NULL,
    source_platform text NOT NULL,
    source_account_id text NOT NULL,
    livemode boolean NOT NULL,
    source_id text NOT NULL,
    source_api_version text NOT NULL DEFAULT ''::text,
    raw jsonb,
    observed_at timestamp with time zone NOT NULL,
    observed_until timestamp with time zone NOT NULL,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_verified_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    synced_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_event_id text,
    deleted_at timestamp with time zone,
    delete_reason text,
    url text,
    name text,
    description text,
    language text,
    timezone text,
    currency text,
    platform_version text,
    base_url text,
    addresses text[] NOT NULL DEFAULT '{}'::text[],
    PRIMARY KEY (tenant_id, source_platform, source_account_id, livemode, source_id),
    CHECK (((deleted_at IS NULL) = (delete_reason IS NULL))),
    CHECK ((delete_reason = ANY (ARRAY['event'::text, 'sweep'::text, 'missing'::text])))
);

CREATE TABLE spend_tenant (
    tenant_id uuid NOT NULL,
    starts_on date NOT NULL,
    reserved bigint NOT NULL DEFAULT 0,
    settled bigint NOT NULL DEFAULT 0,
    overrun bigint NOT NULL DEFAULT 0,
    cap bigint NOT NULL,
    PRIMARY KEY (tenant_id, starts_on),
    FOREIGN KEY (tenant_id) REFERENCES tenant(tenant_id),
    CHECK (((reserved + settled) <= cap)),
    CHECK ((overrun >= 0)),
    CHECK ((reserved >= 0)),
    CHECK ((settled >= 0))
);

CREATE TABLE spend_total (
    period text NOT NULL,
    starts_on date NOT NULL,
    reserved bigint NOT NULL DEFAULT 0,
    settled bigint NOT NULL DEFAULT 0,
    overrun bigint NOT NULL DEFAULT 0,
    cap bigint NOT NULL,
    PRIMARY KEY (period, starts_on),
    CHECK (((reserved + settled) <= cap)),
    CHECK ((overrun >= 0)),
    CHECK ((period = ANY (ARRAY['day'::text, 'month'::text]))),
    CHECK ((reserved >= 0)),
    CHECK ((settled >= 0))
);

CREATE TABLE stripe_events_processed (
    tenant_id uuid NOT NULL,
    livemode boolean NOT NULL,
    event_id text NOT NULL,
    type text NOT NULL,
    event_created timestamp with time zone NOT NULL,
    processed_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    outcome text NOT NULL,
    PRIMARY KEY (tenant_id, livemode, event_id),
    CHECK ((outcome = ANY (ARRAY['applied'::text, 'ignored'::text, 'refetch'::text, 'skipped_plan'::text, 'quarantined'::text])))
);

CREATE TABLE stripe_refetch (
    tenant_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    stream text NOT NULL,
    source_id text NOT NULL,
    reason text NOT NULL,
    after timestamp with time zone NOT NULL,
    due_at timestamp with time zone NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    last_error text,
    PRIMARY KEY (connection_id, stream, source_id),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connection(tenant_id, connection_id) ON DELETE CASCADE
);
CREATE INDEX stripe_refetch_due ON public.stripe_refetch USING btree (connection_id, due_at);

CREATE TABLE subscription_item_history (
    tenant_id uuid NOT NULL,
    history_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    source_platform text NOT NULL,
    source_account_id text NOT NULL,
    livemode boolean NOT NULL,
    item_source_id text NOT NULL,
    subscription_source_id text NOT NULL,
    member_source_id text,
    plan_source_id text,
    quantity bigint,
    status text,
    native_status text,
    valid_from timestamp with time zone NOT NULL,
    valid_to timestamp with time zone,
    mrr_numerator numeric,
    mrr_denominator integer NOT NULL DEFAULT 1,
    mrr_minor numeric GENERATED ALWAYS AS ((mrr_numerator / (mrr_denominator)::numeric)) STORED,
    currency text,
    cause text NOT NULL,
    PRIMARY KEY (history_id),
    CHECK (((valid_to IS NULL) OR (valid_to >= valid_from))),
    CHECK ((cause = ANY (ARRAY['first_seen'::text, 'added'::text, 'plan'::text, 'quantity'::text, 'price'::text, 'status'::text, 'member'::text])))
);
CREATE UNIQUE INDEX subscription_item_history_open ON public.subscription_item_history USING btree (tenant_id, source_platform, source_account_id, livemode, item_source_id) WHERE (valid_to IS NULL);
CREATE INDEX subscription_item_history_subscription ON public.subscription_item_history USING btree (tenant_id, subscription_source_id, valid_from);

CREATE TABLE subscription_items (
    tenant_id uuid NOT NULL,
    source_platform text NOT NULL,
    source_account_id text NOT NULL,
    livemode boolean NOT NULL,
    source_id text NOT NULL,
    source_api_version text NOT NULL DEFAULT ''::text,
    raw jsonb,
    observed_at timestamp with time zone NOT NULL,
    observed_until timestamp with time zone NOT NULL,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_verified_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    synced_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_event_id text,
    deleted_at timestamp with time zone,
    delete_reason text,
    subscription_source_id text NOT NULL,
    plan_source_id text,
    product_source_id text,
    quantity bigint,
    unit_amount_minor bigint,
    unit_amount_decimal numeric,
    currency text,
    interval_unit text,
    interval_count integer,
    usage_type text,
    billing_scheme text,
    period_start timestamp with time zone,
    period_end timestamp with time zone,
    metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
    PRIMARY KEY (tenant_id, source_platform, source_account_id, livemode, source_id),
    CHECK (((deleted_at IS NULL) = (delete_reason IS NULL))),
    CHECK ((delete_reason = ANY (ARRAY['event'::text, 'sweep'::text, 'missing'::text]))),
    CHECK ((interval_unit = ANY (ARRAY['day'::text, 'week'::text, 'month'::text, 'year'::text])))
);
CREATE INDEX subscription_items_subscription ON public.subscription_items USING btree (tenant_id, subscription_source_id);

CREATE TABLE subscriptions (
    tenant_id uuid NOT NULL,
    source_platform text NOT NULL,
    source_account_id text NOT NULL,
    livemode boolean NOT NULL,
    source_id text NOT NULL,
    source_api_version text NOT NULL DEFAULT ''::text,
    raw jsonb,
    observed_at timestamp with time zone NOT NULL,
    observed_until timestamp with time zone NOT NULL,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_verified_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    synced_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_event_id text,
    deleted_at timestamp with time zone,
    delete_reason text,
    member_source_id text,
    plan_source_id text,
    product_source_id text,
    status text,
    native_status text,
    currency text,
    current_period_start timestamp with time zone,
    current_period_end timestamp with time zone,
    started_at timestamp with time zone,
    cancel_at timestamp with time zone,
    cancel_at_period_end boolean,
    canceled_at timestamp with time zone,
    ended_at timestamp with time zone,
    trial_start timestamp with time zone,
    trial_end timestamp with time zone,
    access_until timestamp with time zone,
    collection_paused boolean,
    items_digest text,
    metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
    access_derived boolean NOT NULL DEFAULT false,
    foreign_id text,
    gateway text,
    test boolean,
    told_status text,
    status_until timestamp with time zone,
    PRIMARY KEY (tenant_id, source_platform, source_account_id, livemode, source_id),
    CHECK (((deleted_at IS NULL) = (delete_reason IS NULL))),
    CHECK ((delete_reason = ANY (ARRAY['event'::text, 'sweep'::text, 'missing'::text]))),
    CHECK ((status = ANY (ARRAY['pending'::text, 'trialing'::text, 'active'::text, 'past_due'::text, 'paused'::text, 'canceled'::text, 'expired'::text])))
);
CREATE INDEX subscriptions_foreign ON public.subscriptions USING btree (tenant_id, foreign_id) WHERE (foreign_id IS NOT NULL);
CREATE INDEX subscriptions_member ON public.subscriptions USING btree (tenant_id, member_source_id);
CREATE INDEX subscriptions_status_until ON public.subscriptions USING btree (tenant_id, status_until) WHERE (status_until IS NOT NULL);

CREATE TABLE switch (
    name text NOT NULL,
    reason text NOT NULL,
    thrown_by text NOT NULL,
    since timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    expires_at timestamp with time zone,
    PRIMARY KEY (name)
);

CREATE TABLE sync_checkpoint (
    tenant_id uuid NOT NULL,
    run_id bigint NOT NULL,
    stream text NOT NULL,
    part integer NOT NULL,
    "position" jsonb NOT NULL,
    done boolean NOT NULL DEFAULT false,
    records bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, stream, part),
    FOREIGN KEY (tenant_id, run_id) REFERENCES sync_run(tenant_id, run_id) ON DELETE CASCADE
);

CREATE TABLE sync_cursor (
    tenant_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    name text NOT NULL,
    "position" jsonb NOT NULL,
    updated_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    PRIMARY KEY (connection_id, name),
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connection(tenant_id, connection_id) ON DELETE CASCADE
);

CREATE TABLE sync_run (
    run_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    tenant_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    pipeline_type text NOT NULL,
    mode text NOT NULL,
    status text NOT NULL DEFAULT 'running'::text,
    started_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    finished_at timestamp with time zone,
    error_message text,
    records_processed bigint NOT NULL DEFAULT 0,
    quarantined bigint NOT NULL DEFAULT 0,
    events bigint NOT NULL DEFAULT 0,
    lease_token uuid,
    lease_expires_at timestamp with time zone,
    data_as_of timestamp with time zone,
    cadence interval NOT NULL DEFAULT '1 day'::interval,
    attempt integer NOT NULL DEFAULT 1,
    gen integer NOT NULL DEFAULT 1,
    not_before timestamp with time zone,
    redelivered_at timestamp with time zone,
    cause text,
    UNIQUE (tenant_id, run_id),
    PRIMARY KEY (run_id),
    CHECK ((mode = ANY (ARRAY['full'::text, 'incremental'::text, 'live'::text, 'replay'::text, 'verify'::text]))),
    CHECK ((pipeline_type ~ '^[a-z][a-z0-9_]{0,39}$'::text)),
    CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'succeeded'::text, 'partial'::text, 'failed'::text, 'stopped'::text])))
);
CREATE UNIQUE INDEX sync_run_in_flight ON public.sync_run USING btree (tenant_id, pipeline_type) WHERE ((status = 'running'::text) AND (mode = ANY (ARRAY['full'::text, 'incremental'::text, 'replay'::text])));
CREATE UNIQUE INDEX sync_run_live ON public.sync_run USING btree (tenant_id, pipeline_type) WHERE ((status = 'running'::text) AND (mode = 'live'::text));
CREATE INDEX sync_run_open ON public.sync_run USING btree (run_id) WHERE ((status = ANY (ARRAY['queued'::text, 'running'::text])) AND (mode <> 'live'::text));
CREATE UNIQUE INDEX sync_run_queued ON public.sync_run USING btree (tenant_id, pipeline_type) WHERE (status = 'queued'::text);
CREATE INDEX sync_run_tenant ON public.sync_run USING btree (tenant_id, pipeline_type, run_id DESC);

CREATE TABLE tenant (
    tenant_id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL,
    plan text NOT NULL DEFAULT 'pro'::text,
    created_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    contact_email text,
    UNIQUE (name),
    PRIMARY KEY (tenant_id),
    CHECK (((contact_email <> ''::text) AND (length(contact_email) <= 254))),
    CHECK (((name <> ''::text) AND (length(name) <= 200))),
    CHECK ((plan = ANY (ARRAY['free'::text, 'pro'::text])))
);

CREATE TABLE tenant_reader (
    role_name text NOT NULL,
    tenant_id uuid NOT NULL,
    sealed_password bytea,
    created_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    UNIQUE (tenant_id),
    PRIMARY KEY (role_name),
    FOREIGN KEY (tenant_id) REFERENCES tenant(tenant_id)
);

CREATE TABLE tenant_user (
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    email text NOT NULL,
    role text NOT NULL,
    created_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    PRIMARY KEY (tenant_id, user_id),
    FOREIGN KEY (tenant_id) REFERENCES tenant(tenant_id),
    FOREIGN KEY (user_id, email) REFERENCES user_login(user_id, email),
    CHECK ((role = ANY (ARRAY['owner'::text, 'viewer'::text, 'operator'::text])))
);
CREATE INDEX tenant_user_login ON public.tenant_user USING btree (user_id);

CREATE TABLE transactions (
    tenant_id uuid NOT NULL,
    source_platform text NOT NULL,
    source_account_id text NOT NULL,
    livemode boolean NOT NULL,
    source_id text NOT NULL,
    source_api_version text NOT NULL DEFAULT ''::text,
    raw jsonb,
    observed_at timestamp with time zone NOT NULL,
    observed_until timestamp with time zone NOT NULL,
    source_created_at timestamp with time zone,
    source_updated_at timestamp with time zone,
    first_seen_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_verified_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    synced_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_event_id text,
    deleted_at timestamp with time zone,
    delete_reason text,
    kind text NOT NULL,
    member_source_id text,
    subscription_source_id text,
    invoice_source_id text,
    parent_source_id text,
    intent_source_id text,
    settlement_source_id text,
    amount_minor bigint,
    currency text,
    settlement_amount_minor bigint,
    settlement_currency text,
    fee_minor bigint,
    net_minor bigint,
    status text,
    native_status text,
    occurred_at timestamp with time zone,
    failure_code text,
    reason text,
    description text,
    metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
    plan_source_id text,
    foreign_id text,
    gives_access boolean NOT NULL DEFAULT false,
    access_until timestamp with time zone,
    lifetime boolean NOT NULL DEFAULT false,
    links_told boolean NOT NULL DEFAULT false,
    gateway text,
    test boolean,
    order_source_id text,
    origin_id text,
    origin_site text,
    origin_platform text,
    event_platform text,
    event_account_id text,
    event_source_id text,
    event_evidence text,
    PRIMARY KEY (tenant_id, source_platform, source_account_id, livemode, source_id, kind),
    CHECK (((deleted_at IS NULL) = (delete_reason IS NULL))),
    CHECK ((delete_reason = ANY (ARRAY['event'::text, 'sweep'::text, 'missing'::text]))),
    CHECK ((event_evidence = ANY (ARRAY['id'::text, 'metadata'::text]))),
    CHECK ((kind = ANY (ARRAY['payment'::text, 'refund'::text, 'dispute'::text, 'dispute_reversal'::text, 'fee'::text, 'adjustment'::text, 'grant'::text]))),
    CHECK ((status = ANY (ARRAY['pending'::text, 'succeeded'::text, 'failed'::text, 'canceled'::text, 'open'::text, 'won'::text, 'lost'::text, 'warning'::text, 'closed'::text, 'prevented'::text])))
);
CREATE INDEX transactions_event ON public.transactions USING btree (tenant_id, event_source_id) WHERE (event_source_id IS NOT NULL);
CREATE INDEX transactions_foreign ON public.transactions USING btree (tenant_id, foreign_id) WHERE (foreign_id IS NOT NULL);
CREATE INDEX transactions_intent ON public.transactions USING btree (tenant_id, intent_source_id) WHERE (intent_source_id IS NOT NULL);
CREATE INDEX transactions_invoice ON public.transactions USING btree (tenant_id, invoice_source_id) WHERE (invoice_source_id IS NOT NULL);
CREATE INDEX transactions_member ON public.transactions USING btree (tenant_id, member_source_id, occurred_at);
CREATE INDEX transactions_of_subscription ON public.transactions USING btree (tenant_id, subscription_source_id) WHERE (links_told AND (subscription_source_id IS NOT NULL));
CREATE INDEX transactions_order ON public.transactions USING btree (tenant_id, order_source_id) WHERE (order_source_id IS NOT NULL);
CREATE INDEX transactions_origin ON public.transactions USING btree (tenant_id, origin_id) WHERE (origin_id IS NOT NULL);
CREATE INDEX transactions_parent ON public.transactions USING btree (tenant_id, parent_source_id) WHERE (parent_source_id IS NOT NULL);

CREATE TABLE user_login (
    user_id uuid NOT NULL DEFAULT gen_random_uuid(),
    email text NOT NULL,
    password_hash text NOT NULL,
    created_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    UNIQUE (email),
    UNIQUE (user_id, email),
    PRIMARY KEY (user_id),
    CHECK (((email = lower(email)) AND (email <> ''::text) AND (length(email) <= 254)))
);

CREATE TABLE user_session (
    session_hash bytea NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    last_seen_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    expires_at timestamp with time zone NOT NULL,
    PRIMARY KEY (session_hash),
    FOREIGN KEY (user_id) REFERENCES user_login(user_id) ON DELETE CASCADE,
    CHECK ((length(session_hash) = 32))
);
CREATE INDEX user_session_expires ON public.user_session USING btree (expires_at);

CREATE TABLE webhook_quarantine (
    quarantine_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    received_at timestamp with time zone NOT NULL DEFAULT memberintel_now(),
    account_id text NOT NULL,
    livemode boolean NOT NULL,
    event_id text NOT NULL,
    event_type text NOT NULL,
    reason text NOT NULL,
    raw bytea NOT NULL,
    PRIMARY KEY (quarantine_id)
);
CREATE INDEX webhook_quarantine_received ON public.webhook_quarantine USING btree (received_at);

CREATE VIEW account_rows WITH (security_invoker=true) AS -- tenant_id uuid, source_platform text, source_account_id text, livemode boolean, table_name text, variant text, source_id text, source_created_at timestamp with time zone, deleted_at timestamp with time zone

CREATE VIEW billed_subscriptions WITH (security_invoker=true) AS -- tenant_id uuid, source_platform text, source_account_id text, livemode boolean, source_id text, source_api_version text, raw jsonb, observed_at timestamp with time zone, observed_until timestamp with time zone, source_created_at timestamp with time zone, source_updated_at timestamp with time zone, first_seen_at timestamp with time zone, last_verified_at timestamp with time zone, synced_at timestamp with time zone, last_event_id text, deleted_at timestamp with time zone, delete_reason text, member_source_id text, plan_source_id text, product_source_id text, status text, native_status text, currency text, current_period_start timestamp with time zone, current_period_end timestamp with time zone, started_at timestamp with time zone, cancel_at timestamp with time zone, cancel_at_period_end boolean, canceled_at timestamp with time zone, ended_at timestamp with time zone, trial_start timestamp with time zone, trial_end timestamp with time zone, access_until timestamp with time zone, collection_paused boolean, items_digest text, metadata jsonb, access_derived boolean, foreign_id text, gateway text, test boolean, told_status text, status_until timestamp with time zone

CREATE VIEW economic_event WITH (security_invoker=true) AS -- tenant_id uuid, source_platform text, source_account_id text, livemode boolean, source_id text, kind text, member_source_id text, subscription_source_id text, invoice_source_id text, parent_source_id text, amount_minor bigint, currency text, status text, occurred_at timestamp with time zone, told_by jsonb

CREATE VIEW economic_event_candidates WITH (security_invoker=true) AS -- tenant_id uuid, livemode boolean, email text, amount_minor bigint, currency text, source_platform text, source_account_id text, source_id text, occurred_at timestamp with time zone, other_platform text, other_account_id text, other_id text, other_occurred_at timestamp with time zone

CREATE VIEW payments WITH (security_invoker=true) AS -- tenant_id uuid, source_id text, member_source_id text, subscription_source_id text, invoice_source_id text, amount_minor bigint, currency text, status text, paid_at timestamp with time zone

CREATE VIEW person_candidates WITH (security_invoker=true) AS -- tenant_id uuid, email text, source_platform text, source_account_id text, source_id text, other_platform text, other_account_id text, other_id text

CREATE VIEW tenant_data_freshness WITH (security_invoker=true) AS -- tenant_id uuid, pipeline_type text, data_as_of timestamp with time zone, last_success_at timestamp with time zone, last_status text, stale boolean

CREATE FUNCTION budget_call(bigint,uuid) RETURNS llm_call LANGUAGE plpgsql VOLATILE; -- owner memberintel_owner; search_path=pg_catalog, public, pg_temp

CREATE FUNCTION budget_cap_audited() RETURNS trigger LANGUAGE plpgsql VOLATILE; -- owner memberintel_owner; search_path=pg_catalog, public, pg_temp

CREATE FUNCTION budget_charge(llm_call,bigint,bigint,bigint) RETURNS void LANGUAGE plpgsql VOLATILE; -- owner memberintel_owner; search_path=pg_catalog, public, pg_temp

CREATE FUNCTION budget_close(llm_call,text) RETURNS boolean LANGUAGE plpgsql VOLATILE; -- owner memberintel_owner; search_path=pg_catalog, public, pg_temp

CREATE FUNCTION budget_period(text,timestamp with time zone) RETURNS record LANGUAGE sql STABLE; -- owner memberintel_owner; search_path=pg_catalog, public, pg_temp

CREATE FUNCTION budget_price(llm_price,boolean,bigint,bigint,bigint,bigint) RETURNS bigint LANGUAGE sql IMMUTABLE; -- owner memberintel_owner; search_path=pg_catalog, public, pg_temp

CREATE FUNCTION budget_reap(integer) RETURNS integer LANGUAGE plpgsql VOLATILE SECURITY DEFINER; -- owner memberintel_budget; search_path=pg_catalog, public, pg_temp

CREATE FUNCTION budget_release(bigint,uuid) RETURNS boolean LANGUAGE sql VOLATILE SECURITY DEFINER; -- owner memberintel_budget; search_path=pg_catalog, public, pg_temp

CREATE FUNCTION budget_reserve(bigint,text,text,text,boolean,bigint,bigint,bigint,bigint,bigint) RETURNS TABLE(outcome text, call_id bigint, token uuid, attempt integer, reserved bigint, expires_at timestamp with time zone, frees_at timestamp with time zone, spent bigint, cap bigint) LANGUAGE plpgsql VOLATILE SECURITY DEFINER; -- owner memberintel_budget; search_path=pg_catalog, public, pg_temp; TimeZone=UTC

CREATE FUNCTION budget_settle(bigint,uuid,bigint,bigint,bigint,bigint,boolean,text,text) RETURNS TABLE(fresh boolean, cost bigint) LANGUAGE plpgsql VOLATILE SECURITY DEFINER; -- owner memberintel_budget; search_path=pg_catalog, public, pg_temp

CREATE FUNCTION budget_unknown(bigint,uuid) RETURNS boolean LANGUAGE sql VOLATILE SECURITY DEFINER; -- owner memberintel_budget; search_path=pg_catalog, public, pg_temp

CREATE FUNCTION llm_price_audited() RETURNS trigger LANGUAGE plpgsql VOLATILE; -- owner memberintel_owner; search_path=pg_catalog, public, pg_temp

CREATE FUNCTION memberintel_now() RETURNS timestamp with time zone LANGUAGE sql STABLE; -- owner memberintel_owner

CREATE FUNCTION search_members(text,text,text,jsonb,text,bigint,integer) RETURNS TABLE(id bigint, source_platform text, source_id text, name text, email text, membership_status text, plan_source_id text, sort_name text) LANGUAGE plpgsql STABLE SECURITY DEFINER; -- owner memberintel_search; search_path=pg_catalog, public, pg_temp; plan_cache_mode=force_custom_plan; enable_seqscan=off; jit=off; max_parallel_workers_per_gather=0

ALTER TABLE alert_incident ENABLE ROW LEVEL SECURITY; ALTER TABLE alert_incident ENABLE ROW LEVEL SECURITY;
ALTER TABLE alert_outbox ENABLE ROW LEVEL SECURITY; ALTER TABLE alert_outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE alert_quiet DISABLE ROW LEVEL SECURITY; ALTER TABLE alert_quiet DISABLE ROW LEVEL SECURITY;
ALTER TABLE analysis ENABLE ROW LEVEL SECURITY; ALTER TABLE analysis ENABLE ROW LEVEL SECURITY;
ALTER TABLE attempt_rate DISABLE ROW LEVEL SECURITY; ALTER TABLE attempt_rate DISABLE ROW LEVEL SECURITY;
ALTER TABLE audit_event ENABLE ROW LEVEL SECURITY; ALTER TABLE audit_event ENABLE ROW LEVEL SECURITY;
ALTER TABLE budget_alarm DISABLE ROW LEVEL SECURITY; ALTER TABLE budget_alarm DISABLE ROW LEVEL SECURITY;
ALTER TABLE budget_cap DISABLE ROW LEVEL SECURITY; ALTER TABLE budget_cap DISABLE ROW LEVEL SECURITY;
ALTER TABLE connect_code ENABLE ROW LEVEL SECURITY; ALTER TABLE connect_code ENABLE ROW LEVEL SECURITY;
ALTER TABLE connected_home ENABLE ROW LEVEL SECURITY; ALTER TABLE connected_home ENABLE ROW LEVEL SECURITY;
ALTER TABLE connection ENABLE ROW LEVEL SECURITY; ALTER TABLE connection ENABLE ROW LEVEL SECURITY;
ALTER TABLE connection_care ENABLE ROW LEVEL SECURITY; ALTER TABLE connection_care ENABLE ROW LEVEL SECURITY;
ALTER TABLE connection_secret ENABLE ROW LEVEL SECURITY; ALTER TABLE connection_secret ENABLE ROW LEVEL SECURITY;
ALTER TABLE content_rules ENABLE ROW LEVEL SECURITY; ALTER TABLE content_rules ENABLE ROW LEVEL SECURITY;
ALTER TABLE customer_brain.site_profile ENABLE ROW LEVEL SECURITY; ALTER TABLE customer_brain.site_profile ENABLE ROW LEVEL SECURITY;
ALTER TABLE fetch_snapshot ENABLE ROW LEVEL SECURITY; ALTER TABLE fetch_snapshot ENABLE ROW LEVEL SECURITY;
ALTER TABLE invoices ENABLE ROW LEVEL SECURITY; ALTER TABLE invoices ENABLE ROW LEVEL SECURITY;
ALTER TABLE llm_batch DISABLE ROW LEVEL SECURITY; ALTER TABLE llm_batch DISABLE ROW LEVEL SECURITY;
ALTER TABLE llm_call ENABLE ROW LEVEL SECURITY; ALTER TABLE llm_call ENABLE ROW LEVEL SECURITY;
ALTER TABLE llm_price DISABLE ROW LEVEL SECURITY; ALTER TABLE llm_price DISABLE ROW LEVEL SECURITY;
ALTER TABLE llm_question ENABLE ROW LEVEL SECURITY; ALTER TABLE llm_question ENABLE ROW LEVEL SECURITY;
ALTER TABLE member_clock ENABLE ROW LEVEL SECURITY; ALTER TABLE member_clock ENABLE ROW LEVEL SECURITY;
ALTER TABLE member_foreign_id ENABLE ROW LEVEL SECURITY; ALTER TABLE member_foreign_id ENABLE ROW LEVEL SECURITY;
ALTER TABLE members ENABLE ROW LEVEL SECURITY; ALTER TABLE members ENABLE ROW LEVEL SECURITY;
ALTER TABLE orders ENABLE ROW LEVEL SECURITY; ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE page_snapshot ENABLE ROW LEVEL SECURITY; ALTER TABLE page_snapshot ENABLE ROW LEVEL SECURITY;
ALTER TABLE payment_allocations ENABLE ROW LEVEL SECURITY; ALTER TABLE payment_allocations ENABLE ROW LEVEL SECURITY;
ALTER TABLE payment_intents ENABLE ROW LEVEL SECURITY; ALTER TABLE payment_intents ENABLE ROW LEVEL SECURITY;
ALTER TABLE plans ENABLE ROW LEVEL SECURITY; ALTER TABLE plans ENABLE ROW LEVEL SECURITY;
ALTER TABLE quarantine ENABLE ROW LEVEL SECURITY; ALTER TABLE quarantine ENABLE ROW LEVEL SECURITY;
ALTER TABLE run_slot DISABLE ROW LEVEL SECURITY; ALTER TABLE run_slot DISABLE ROW LEVEL SECURITY;
ALTER TABLE schedule_pace DISABLE ROW LEVEL SECURITY; ALTER TABLE schedule_pace DISABLE ROW LEVEL SECURITY;
ALTER TABLE site_pace DISABLE ROW LEVEL SECURITY; ALTER TABLE site_pace DISABLE ROW LEVEL SECURITY;
ALTER TABLE site_status ENABLE ROW LEVEL SECURITY; ALTER TABLE site_status ENABLE ROW LEVEL SECURITY;
ALTER TABLE site_text ENABLE ROW LEVEL SECURITY; ALTER TABLE site_text ENABLE ROW LEVEL SECURITY;
ALTER TABLE sites ENABLE ROW LEVEL SECURITY; ALTER TABLE sites ENABLE ROW LEVEL SECURITY;
ALTER TABLE spend_tenant ENABLE ROW LEVEL SECURITY; ALTER TABLE spend_tenant ENABLE ROW LEVEL SECURITY;
ALTER TABLE spend_total DISABLE ROW LEVEL SECURITY; ALTER TABLE spend_total DISABLE ROW LEVEL SECURITY;
ALTER TABLE stripe_events_processed ENABLE ROW LEVEL SECURITY; ALTER TABLE stripe_events_processed ENABLE ROW LEVEL SECURITY;
ALTER TABLE stripe_refetch ENABLE ROW LEVEL SECURITY; ALTER TABLE stripe_refetch ENABLE ROW LEVEL SECURITY;
ALTER TABLE subscription_item_history ENABLE ROW LEVEL SECURITY; ALTER TABLE subscription_item_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE subscription_items ENABLE ROW LEVEL SECURITY; ALTER TABLE subscription_items ENABLE ROW LEVEL SECURITY;
ALTER TABLE subscriptions ENABLE ROW LEVEL SECURITY; ALTER TABLE subscriptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE switch DISABLE ROW LEVEL SECURITY; ALTER TABLE switch DISABLE ROW LEVEL SECURITY;
ALTER TABLE sync_checkpoint ENABLE ROW LEVEL SECURITY; ALTER TABLE sync_checkpoint ENABLE ROW LEVEL SECURITY;
ALTER TABLE sync_cursor ENABLE ROW LEVEL SECURITY; ALTER TABLE sync_cursor ENABLE ROW LEVEL SECURITY;
ALTER TABLE sync_run ENABLE ROW LEVEL SECURITY; ALTER TABLE sync_run ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant ENABLE ROW LEVEL SECURITY; ALTER TABLE tenant ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_reader ENABLE ROW LEVEL SECURITY; ALTER TABLE tenant_reader ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_user ENABLE ROW LEVEL SECURITY; ALTER TABLE tenant_user ENABLE ROW LEVEL SECURITY;
ALTER TABLE transactions ENABLE ROW LEVEL SECURITY; ALTER TABLE transactions ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_login DISABLE ROW LEVEL SECURITY; ALTER TABLE user_login DISABLE ROW LEVEL SECURITY;
ALTER TABLE user_session DISABLE ROW LEVEL SECURITY; ALTER TABLE user_session DISABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_quarantine DISABLE ROW LEVEL SECURITY; ALTER TABLE webhook_quarantine DISABLE ROW LEVEL SECURITY;

CREATE POLICY operator ON alert_incident FOR SELECT TO memberintel_operator USING true;
CREATE POLICY owner ON alert_incident FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY service ON alert_incident FOR ALL TO memberintel_service USING true;
CREATE POLICY tenant ON alert_incident FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY operator ON alert_outbox FOR SELECT TO memberintel_operator USING true;
CREATE POLICY owner ON alert_outbox FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY service ON alert_outbox FOR ALL TO memberintel_service USING true;
CREATE POLICY tenant ON alert_outbox FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY budget ON analysis FOR ALL TO memberintel_budget USING true WITH CHECK true;
CREATE POLICY operator ON analysis FOR SELECT TO memberintel_operator USING true;
CREATE POLICY owner ON analysis FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY tenant ON analysis FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY operator ON audit_event FOR ALL TO memberintel_operator USING true WITH CHECK true;
CREATE POLICY owner ON audit_event FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY tenant ON audit_event FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON connect_code FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY service ON connect_code FOR ALL TO memberintel_service USING true;
CREATE POLICY tenant ON connect_code FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON connected_home FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY tenant ON connected_home FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY operator ON connection FOR SELECT TO memberintel_operator USING true;
CREATE POLICY owner ON connection FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY service ON connection FOR ALL TO memberintel_service USING true;
CREATE POLICY tenant ON connection FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY operator ON connection_care FOR SELECT TO memberintel_operator USING true;
CREATE POLICY owner ON connection_care FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY service ON connection_care FOR ALL TO memberintel_service USING true WITH CHECK true;
CREATE POLICY tenant ON connection_care FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON connection_secret FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY tenant ON connection_secret FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON content_rules FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY reader ON content_rules FOR SELECT TO memberintel_reader USING (tenant_id = ( SELECT r.tenant_id FROM tenant_reader r WHERE (r.role_name = SESSION_USER)));
CREATE POLICY tenant ON content_rules FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON customer_brain.site_profile FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY reader ON customer_brain.site_profile FOR SELECT TO memberintel_reader USING (tenant_id = ( SELECT r.tenant_id FROM tenant_reader r WHERE (r.role_name = SESSION_USER)));
CREATE POLICY tenant ON customer_brain.site_profile FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON fetch_snapshot FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY service ON fetch_snapshot FOR SELECT TO memberintel_service USING true;
CREATE POLICY tenant ON fetch_snapshot FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON invoices FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY reader ON invoices FOR SELECT TO memberintel_reader USING (tenant_id = ( SELECT r.tenant_id FROM tenant_reader r WHERE (r.role_name = SESSION_USER)));
CREATE POLICY tenant ON invoices FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY budget ON llm_call FOR ALL TO memberintel_budget USING true WITH CHECK true;
CREATE POLICY operator ON llm_call FOR SELECT TO memberintel_operator USING true;
CREATE POLICY owner ON llm_call FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY service ON llm_call FOR SELECT TO memberintel_service USING true;
CREATE POLICY tenant ON llm_call FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON llm_question FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY service ON llm_question FOR ALL TO memberintel_service USING true;
CREATE POLICY tenant ON llm_question FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON member_clock FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY service ON member_clock FOR SELECT TO memberintel_service USING true;
CREATE POLICY tenant ON member_clock FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON member_foreign_id FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY tenant ON member_foreign_id FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON members FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY reader ON members FOR SELECT TO memberintel_reader USING (tenant_id = ( SELECT r.tenant_id FROM tenant_reader r WHERE (r.role_name = SESSION_USER)));
CREATE POLICY search ON members FOR SELECT TO memberintel_search USING true;
CREATE POLICY tenant ON members FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON orders FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY reader ON orders FOR SELECT TO memberintel_reader USING (tenant_id = ( SELECT r.tenant_id FROM tenant_reader r WHERE (r.role_name = SESSION_USER)));
CREATE POLICY tenant ON orders FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON page_snapshot FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY tenant ON page_snapshot FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON payment_allocations FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY reader ON payment_allocations FOR SELECT TO memberintel_reader USING (tenant_id = ( SELECT r.tenant_id FROM tenant_reader r WHERE (r.role_name = SESSION_USER)));
CREATE POLICY tenant ON payment_allocations FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON payment_intents FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY reader ON payment_intents FOR SELECT TO memberintel_reader USING (tenant_id = ( SELECT r.tenant_id FROM tenant_reader r WHERE (r.role_name = SESSION_USER)));
CREATE POLICY tenant ON payment_intents FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON plans FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY reader ON plans FOR SELECT TO memberintel_reader USING (tenant_id = ( SELECT r.tenant_id FROM tenant_reader r WHERE (r.role_name = SESSION_USER)));
CREATE POLICY tenant ON plans FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON quarantine FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY tenant ON quarantine FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON site_status FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY reader ON site_status FOR SELECT TO memberintel_reader USING (tenant_id = ( SELECT r.tenant_id FROM tenant_reader r WHERE (r.role_name = SESSION_USER)));
CREATE POLICY service ON site_status FOR SELECT TO memberintel_service USING true;
CREATE POLICY tenant ON site_status FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON site_text FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY service ON site_text FOR SELECT TO memberintel_service USING true;
CREATE POLICY tenant ON site_text FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON sites FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY reader ON sites FOR SELECT TO memberintel_reader USING (tenant_id = ( SELECT r.tenant_id FROM tenant_reader r WHERE (r.role_name = SESSION_USER)));
CREATE POLICY tenant ON sites FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY budget ON spend_tenant FOR ALL TO memberintel_budget USING true WITH CHECK true;
CREATE POLICY operator ON spend_tenant FOR SELECT TO memberintel_operator USING true;
CREATE POLICY owner ON spend_tenant FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY tenant ON spend_tenant FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON stripe_events_processed FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY tenant ON stripe_events_processed FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON stripe_refetch FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY tenant ON stripe_refetch FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON subscription_item_history FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY reader ON subscription_item_history FOR SELECT TO memberintel_reader USING (tenant_id = ( SELECT r.tenant_id FROM tenant_reader r WHERE (r.role_name = SESSION_USER)));
CREATE POLICY tenant ON subscription_item_history FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON subscription_items FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY reader ON subscription_items FOR SELECT TO memberintel_reader USING (tenant_id = ( SELECT r.tenant_id FROM tenant_reader r WHERE (r.role_name = SESSION_USER)));
CREATE POLICY tenant ON subscription_items FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON subscriptions FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY reader ON subscriptions FOR SELECT TO memberintel_reader USING (tenant_id = ( SELECT r.tenant_id FROM tenant_reader r WHERE (r.role_name = SESSION_USER)));
CREATE POLICY tenant ON subscriptions FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON sync_checkpoint FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY tenant ON sync_checkpoint FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON sync_cursor FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY tenant ON sync_cursor FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY budget ON sync_run FOR SELECT TO memberintel_budget USING true;
CREATE POLICY operator ON sync_run FOR SELECT TO memberintel_operator USING true;
CREATE POLICY owner ON sync_run FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY reader ON sync_run FOR SELECT TO memberintel_reader USING (tenant_id = ( SELECT r.tenant_id FROM tenant_reader r WHERE (r.role_name = SESSION_USER)));
CREATE POLICY service ON sync_run FOR ALL TO memberintel_service USING true;
CREATE POLICY tenant ON sync_run FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY budget ON tenant FOR SELECT TO memberintel_budget USING true;
CREATE POLICY operator ON tenant FOR SELECT TO memberintel_operator USING true;
CREATE POLICY owner ON tenant FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY service ON tenant FOR ALL TO memberintel_service USING true WITH CHECK true;
CREATE POLICY tenant ON tenant FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON tenant_reader FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY self ON tenant_reader FOR SELECT TO memberintel_reader, memberintel_search USING (role_name = SESSION_USER);
CREATE POLICY tenant ON tenant_reader FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON tenant_user FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY service ON tenant_user FOR SELECT TO memberintel_service USING true;
CREATE POLICY tenant ON tenant_user FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);
CREATE POLICY owner ON transactions FOR ALL TO memberintel_owner USING true WITH CHECK true;
CREATE POLICY reader ON transactions FOR SELECT TO memberintel_reader USING (tenant_id = ( SELECT r.tenant_id FROM tenant_reader r WHERE (r.role_name = SESSION_USER)));
CREATE POLICY tenant ON transactions FOR ALL TO memberintel_app USING (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) WITH CHECK (tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid);

GRANT USAGE ON SCHEMA customer_brain TO memberintel_app;
GRANT USAGE ON SCHEMA customer_brain TO memberintel_reader;
GRANT USAGE ON SCHEMA public TO PUBLIC;
GRANT USAGE ON SCHEMA public TO memberintel_app;
GRANT USAGE ON SCHEMA public TO memberintel_budget;
GRANT USAGE ON SCHEMA public TO memberintel_operator;
GRANT USAGE ON SCHEMA public TO memberintel_reader;
GRANT USAGE ON SCHEMA public TO memberintel_search;
GRANT USAGE ON SCHEMA public TO memberintel_service;
GRANT SELECT ON account_rows TO memberintel_app;
GRANT INSERT, SELECT, UPDATE ON alert_incident TO memberintel_app;
GRANT SELECT ON alert_incident TO memberintel_operator;
GRANT DELETE, SELECT ON alert_incident TO memberintel_service;
GRANT INSERT, SELECT, UPDATE ON alert_outbox TO memberintel_app;
GRANT SELECT (about, attempts, created_at, incident_id, last_error, mail_id, not_before, recipient, sent_at, status, subject, tenant_id) ON alert_outbox TO memberintel_operator;
GRANT SELECT, UPDATE ON alert_outbox TO memberintel_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON alert_quiet TO memberintel_service;
GRANT SELECT ON analysis TO memberintel_app;
GRANT INSERT, SELECT, UPDATE ON analysis TO memberintel_budget;
GRANT SELECT ON analysis TO memberintel_operator;
GRANT DELETE, INSERT, SELECT, UPDATE ON attempt_rate TO memberintel_service;
GRANT INSERT, SELECT ON audit_event TO memberintel_app;
GRANT INSERT, SELECT ON audit_event TO memberintel_operator;
GRANT SELECT ON billed_subscriptions TO memberintel_app;
GRANT SELECT ON billed_subscriptions TO memberintel_reader;
GRANT SELECT ON budget_alarm TO memberintel_operator;
GRANT INSERT, SELECT ON budget_alarm TO memberintel_service;
GRANT EXECUTE ON budget_call(bigint,uuid) TO memberintel_budget;
GRANT SELECT ON budget_cap TO memberintel_app;
GRANT SELECT ON budget_cap TO memberintel_budget;
GRANT SELECT ON budget_cap TO memberintel_operator;
GRANT SELECT ON budget_cap TO memberintel_service;
GRANT EXECUTE ON budget_charge(llm_call,bigint,bigint,bigint) TO memberintel_budget;
GRANT EXECUTE ON budget_close(llm_call,text) TO memberintel_budget;
GRANT EXECUTE ON budget_period(text,timestamp with time zone) TO memberintel_app;
GRANT EXECUTE ON budget_period(text,timestamp with time zone) TO memberintel_budget;
GRANT EXECUTE ON budget_price(llm_price,boolean,bigint,bigint,bigint,bigint) TO memberintel_budget;
GRANT EXECUTE ON budget_reap(integer) TO memberintel_service;
GRANT EXECUTE ON budget_release(bigint,uuid) TO memberintel_app;
GRANT EXECUTE ON budget_reserve(bigint,text,text,text,boolean,bigint,bigint,bigint,bigint,bigint) TO memberintel_app;
GRANT EXECUTE ON budget_settle(bigint,uuid,bigint,bigint,bigint,bigint,boolean,text,text) TO memberintel_app;
GRANT EXECUTE ON budget_unknown(bigint,uuid) TO memberintel_app;
GRANT INSERT, SELECT, UPDATE (spent_at) ON connect_code TO memberintel_app;
GRANT DELETE, SELECT, UPDATE (spent_at) ON connect_code TO memberintel_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON connected_home TO memberintel_app;
GRANT DELETE, INSERT, SELECT, UPDATE ON connection TO memberintel_app;
GRANT SELECT ON connection TO memberintel_operator;
GRANT SELECT (account_confirmed, awaited_since, connected_at, connection_id, consecutive_failures, disconnected_at, generation, last_error_kind, livemode, next_sync_at, pipeline_type, refetch_due_at, source_account_id, state, tenant_id), UPDATE (awaited_since, next_sync_at) ON connection TO memberintel_service;
GRANT INSERT, SELECT, UPDATE ON connection_care TO memberintel_app;
GRANT SELECT ON connection_care TO memberintel_operator;
GRANT SELECT (breaker, connection_id, opened_at, retry_at, tenant_id), UPDATE (breaker, failures, opened_at, openings, probe_token, probe_until, retry_at) ON connection_care TO memberintel_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON connection_secret TO memberintel_app;
GRANT INSERT, SELECT, UPDATE ON content_rules TO memberintel_app;
GRANT SELECT ON content_rules TO memberintel_reader;
GRANT INSERT (audience, call_id, changes, connection_id, content_patterns, evidence, fresh, grounded, model, niche, positioning, pricing_patterns, prompt_version, run_id, schema_version, snapshot_id, tenant_id, text_hash, version), SELECT ON customer_brain.site_profile TO memberintel_app;
GRANT SELECT ON customer_brain.site_profile TO memberintel_reader;
GRANT SELECT ON economic_event TO memberintel_app;
GRANT SELECT ON economic_event TO memberintel_reader;
GRANT SELECT ON economic_event_candidates TO memberintel_app;
GRANT SELECT ON economic_event_candidates TO memberintel_reader;
GRANT DELETE, INSERT, SELECT, UPDATE ON fetch_snapshot TO memberintel_app;
GRANT SELECT (connection_id, fetched_at, gate, tenant_id) ON fetch_snapshot TO memberintel_service;
GRANT SELECT ON goose_db_version TO memberintel_app;
GRANT INSERT, SELECT, UPDATE ON invoices TO memberintel_app;
GRANT SELECT ON invoices TO memberintel_reader;
GRANT SELECT ON llm_batch TO memberintel_operator;
GRANT INSERT, SELECT, UPDATE ON llm_batch TO memberintel_service;
GRANT SELECT ON llm_call TO memberintel_app;
GRANT INSERT, SELECT, UPDATE ON llm_call TO memberintel_budget;
GRANT SELECT ON llm_call TO memberintel_operator;
GRANT SELECT (batch, call_id, created_at, day, expires_at, model, reserved, run_id, status, tenant_id) ON llm_call TO memberintel_service;
GRANT SELECT ON llm_price TO memberintel_app;
GRANT SELECT ON llm_price TO memberintel_budget;
GRANT SELECT ON llm_price TO memberintel_operator;
GRANT SELECT ON llm_price TO memberintel_service;
GRANT DELETE, INSERT, SELECT, UPDATE (answer, answered_at) ON llm_question TO memberintel_app;
GRANT SELECT, UPDATE (batch_id) ON llm_question TO memberintel_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON member_clock TO memberintel_app;
GRANT SELECT ON member_clock TO memberintel_service;
GRANT DELETE, INSERT, SELECT ON member_foreign_id TO memberintel_app;
GRANT INSERT, SELECT, UPDATE ON members TO memberintel_app;
GRANT SELECT ON members TO memberintel_reader;
GRANT SELECT ON members TO memberintel_search;
GRANT INSERT, SELECT, UPDATE ON orders TO memberintel_app;
GRANT SELECT ON orders TO memberintel_reader;
GRANT DELETE, INSERT, SELECT, UPDATE ON page_snapshot TO memberintel_app;
GRANT INSERT, SELECT, UPDATE ON payment_allocations TO memberintel_app;
GRANT SELECT ON payment_allocations TO memberintel_reader;
GRANT INSERT, SELECT, UPDATE ON payment_intents TO memberintel_app;
GRANT SELECT ON payment_intents TO memberintel_reader;
GRANT SELECT ON payments TO memberintel_app;
GRANT SELECT ON payments TO memberintel_reader;
GRANT SELECT ON person_candidates TO memberintel_app;
GRANT SELECT ON person_candidates TO memberintel_reader;
GRANT INSERT, SELECT, UPDATE ON plans TO memberintel_app;
GRANT SELECT ON plans TO memberintel_reader;
GRANT DELETE, INSERT, SELECT, UPDATE ON quarantine TO memberintel_app;
GRANT SELECT ON run_slot TO memberintel_operator;
GRANT INSERT, SELECT, UPDATE ON run_slot TO memberintel_service;
GRANT USAGE ON run_slot_token TO memberintel_service;
GRANT SELECT ON schedule_pace TO memberintel_operator;
GRANT SELECT, UPDATE ON schedule_pace TO memberintel_service;
GRANT EXECUTE ON search_members(text,text,text,jsonb,text,bigint,integer) TO memberintel_app;
GRANT EXECUTE ON search_members(text,text,text,jsonb,text,bigint,integer) TO memberintel_reader;
GRANT INSERT, SELECT, UPDATE ON site_pace TO memberintel_app;
GRANT DELETE, INSERT, SELECT, UPDATE ON site_status TO memberintel_app;
GRANT SELECT ON site_status TO memberintel_reader;
GRANT SELECT (checked_at, connection_id, tenant_id) ON site_status TO memberintel_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON site_text TO memberintel_app;
GRANT SELECT (last_used_at, tenant_id) ON site_text TO memberintel_service;
GRANT INSERT, SELECT, UPDATE ON sites TO memberintel_app;
GRANT SELECT ON sites TO memberintel_reader;
GRANT SELECT ON spend_tenant TO memberintel_app;
GRANT INSERT, SELECT, UPDATE ON spend_tenant TO memberintel_budget;
GRANT SELECT ON spend_tenant TO memberintel_operator;
GRANT SELECT ON spend_total TO memberintel_app;
GRANT INSERT, SELECT, UPDATE ON spend_total TO memberintel_budget;
GRANT SELECT ON spend_total TO memberintel_operator;
GRANT SELECT ON spend_total TO memberintel_service;
GRANT INSERT, SELECT, UPDATE ON stripe_events_processed TO memberintel_app;
GRANT DELETE, INSERT, SELECT, UPDATE ON stripe_refetch TO memberintel_app;
GRANT INSERT, SELECT, UPDATE (valid_to) ON subscription_item_history TO memberintel_app;
GRANT SELECT ON subscription_item_history TO memberintel_reader;
GRANT INSERT, SELECT, UPDATE ON subscription_items TO memberintel_app;
GRANT SELECT ON subscription_items TO memberintel_reader;
GRANT INSERT, SELECT, UPDATE ON subscriptions TO memberintel_app;
GRANT SELECT ON subscriptions TO memberintel_reader;
GRANT SELECT ON switch TO memberintel_app;
GRANT SELECT ON switch TO memberintel_budget;
GRANT DELETE, INSERT, SELECT, UPDATE ON switch TO memberintel_operator;
GRANT SELECT ON switch TO memberintel_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON sync_checkpoint TO memberintel_app;
GRANT DELETE, INSERT, SELECT, UPDATE ON sync_cursor TO memberintel_app;
GRANT INSERT, SELECT, UPDATE ON sync_run TO memberintel_app;
GRANT SELECT (lease_expires_at, pipeline_type, run_id, status, tenant_id) ON sync_run TO memberintel_budget;
GRANT SELECT ON sync_run TO memberintel_operator;
GRANT SELECT ON sync_run TO memberintel_reader;
GRANT INSERT (attempt, cadence, cause, connection_id, gen, mode, not_before, pipeline_type, status, tenant_id), SELECT, UPDATE (attempt, cause, connection_id, error_message, finished_at, gen, lease_expires_at, lease_token, mode, not_before, redelivered_at, status) ON sync_run TO memberintel_service;
GRANT INSERT, SELECT, UPDATE ON tenant TO memberintel_app;
GRANT SELECT (plan, tenant_id) ON tenant TO memberintel_budget;
GRANT SELECT ON tenant TO memberintel_operator;
GRANT INSERT, SELECT ON tenant TO memberintel_service;
GRANT SELECT ON tenant_data_freshness TO memberintel_app;
GRANT SELECT ON tenant_data_freshness TO memberintel_operator;
GRANT SELECT ON tenant_data_freshness TO memberintel_reader;
GRANT SELECT, UPDATE (sealed_password) ON tenant_reader TO memberintel_app;
GRANT SELECT (role_name, tenant_id) ON tenant_reader TO memberintel_reader;
GRANT SELECT (role_name, tenant_id) ON tenant_reader TO memberintel_search;
GRANT INSERT, SELECT, UPDATE (role) ON tenant_user TO memberintel_app;
GRANT SELECT ON tenant_user TO memberintel_service;
GRANT INSERT, SELECT, UPDATE ON transactions TO memberintel_app;
GRANT SELECT ON transactions TO memberintel_reader;
GRANT INSERT, SELECT, UPDATE (password_hash) ON user_login TO memberintel_service;
GRANT DELETE, INSERT, SELECT, UPDATE (expires_at, last_seen_at) ON user_session TO memberintel_service;
GRANT DELETE, INSERT, SELECT ON webhook_quarantine TO memberintel_service;
