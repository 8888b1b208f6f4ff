-- +goose Up
-- The only way to the rows of the budget. The functions run as memberintel_budget, act for the session's tenant alone, and
-- take the time and the prices from the database. All lock in one order, so that none waits for another in a ring:
-- the analysis, its calls, the month, the day, the tenant's month.

-- +goose StatementBegin
-- What a call costs in micro-dollars, rounded up.
CREATE FUNCTION budget_price(p llm_price, in_batch boolean, plain bigint, written bigint, cached bigint, told bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT ceil((CASE WHEN plain + written + cached > p.tier_above
                 THEN plain::numeric * p.input_above + written::numeric * p.cache_write_above + cached::numeric * p.cache_read_above
                      + told::numeric * p.output_above
                 ELSE plain::numeric * p.input + written::numeric * p.cache_write + cached::numeric * p.cache_read
                      + told::numeric * p.output END)
                * CASE WHEN in_batch THEN p.batch_percent ELSE 100 END / 100 / 1000000)::bigint
$$;
-- +goose StatementEnd

-- +goose StatementBegin
-- The period that an analysis of a purpose counts for, how many it may have, and when the next begins; null: never.
CREATE FUNCTION budget_period(for_purpose text, at timestamptz, OUT name text, OUT most integer, OUT until timestamptz)
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT CASE for_purpose WHEN 'first' THEN 'ever' WHEN 'scheduled' THEN to_char(at AT TIME ZONE 'UTC', 'IYYY-"W"IW')
                            ELSE to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD') END,
           CASE for_purpose WHEN 'on_demand' THEN 2 ELSE 1 END,
           CASE for_purpose WHEN 'scheduled' THEN date_trunc('week', at, 'UTC') + interval '7 days'
                            WHEN 'on_demand' THEN date_trunc('day', at, 'UTC') + interval '1 day' END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
-- Moves what stood for a call in the spend rows to what it cost. Held is its part of reserved, paid its part of settled
-- that was charged before. What it cost beyond both is overrun.
CREATE FUNCTION budget_charge(c llm_call, held bigint, paid bigint, price bigint)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    fits bigint := least(price, held + paid);
BEGIN
    UPDATE spend_total SET reserved = reserved - held, settled = settled - paid + fits, overrun = overrun + price - fits
     WHERE period = 'month' AND starts_on = c.month;
    UPDATE spend_total SET reserved = reserved - held, settled = settled - paid + fits, overrun = overrun + price - fits
     WHERE period = 'day' AND starts_on = c.day;
    UPDATE spend_tenant SET reserved = reserved - held, settled = settled - paid + fits, overrun = overrun + price - fits
     WHERE tenant_id = c.tenant_id AND starts_on = c.month;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
-- Closes a call without an answer: one that was released cost nothing, one that is unknown all that was promised to it.
-- False: it was not open.
CREATE FUNCTION budget_close(c llm_call, how text)
RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    price bigint := CASE how WHEN 'released' THEN 0 ELSE c.reserved END;
BEGIN
    IF c.status IS DISTINCT FROM 'reserved' THEN RETURN false; END IF;
    UPDATE llm_call l SET status = how, cost = price, closed_at = memberintel_now() WHERE l.call_id = c.call_id;
    PERFORM budget_charge(c, c.reserved, 0, price);
    RETURN true;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
-- Promises money to one call of the session's tenant, at most once for each attempt, and says how that went:
--   reserved   the call may be made; it is known by call_id and token
--   stopped    a switch is on; frees_at: when it clears itself
--   no_run     the sync run does not run, or is not this tenant's
--   no_price   nobody has entered what the model costs
--   plan       on demand is for tenants on pro; frees_at: when the schedule has its turn
--   done       the period has had its analyses; frees_at: when the next begins, null for never
--   attempts   as before, but without an answer that was of use
--   open       another call of the stage is under way; frees_at: when it is taken for lost
--   day, month, tenant_month   the cap is reached; spent, cap, frees_at
-- The caps are what the program asks for; where the database's own are lower, those hold. A switch that is thrown waits for
-- the transactions that have asked, by the locks of internal/guard, which are taken in its order. Neither what the session
-- says of its time zone nor how long its transaction is open moves a period: the time is that of the question, in UTC.
CREATE FUNCTION budget_reserve(
    in_run bigint, for_purpose text, for_stage text, by_model text, in_batch boolean, input_most bigint, output_most bigint,
    day_cap bigint, month_cap bigint, tenant_cap bigint)
RETURNS TABLE (outcome text, call_id bigint, token uuid, attempt integer, reserved bigint, expires_at timestamptz,
               frees_at timestamptz, spent bigint, cap bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' AS $$
#variable_conflict use_column
DECLARE
    of_tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
    switches text[] := ARRAY['all', 'pipeline:website', 'tenant:' || of_tenant, 'subsystem:claude'];
    at timestamptz;
    lasting interval := CASE WHEN in_batch THEN interval '36 hours' ELSE interval '15 minutes' END;
    today date;
    this_month date;
    wanted record;
    price llm_price;
    a analysis;
    c llm_call;
    amount bigint;
    caps budget_cap;
    m spend_total;
    d spend_total;
    t spend_tenant;
BEGIN
    -- Not true, and not merely false: what is null would be promised for nothing.
    IF (of_tenant IS NOT NULL AND for_purpose IN ('first', 'scheduled', 'on_demand') AND for_stage = 'describe'
        AND input_most >= 1 AND output_most >= 1) IS NOT TRUE THEN
        RAISE EXCEPTION 'budget_reserve: no tenant, or no such question: tenant %, purpose %, stage %, % tokens and % for the answer',
            of_tenant, for_purpose, for_stage, input_most, output_most USING ERRCODE = '22023';
    ELSIF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'budget_reserve: a transaction that is % would not see a switch that was thrown since it began',
            current_setting('transaction_isolation') USING ERRCODE = '25000';
    END IF;
    FOR i IN 1..cardinality(switches) LOOP
        PERFORM pg_advisory_xact_lock_shared(29559, hashtext(switches[i]));
    END LOOP;
    SELECT CASE WHEN count(s.expires_at) = count(*) THEN max(s.expires_at) END, 'stopped' INTO frees_at, outcome FROM switch s
     WHERE s.name = ANY (switches) AND (s.expires_at IS NULL OR s.expires_at > memberintel_now()) HAVING count(*) > 0;
    IF FOUND THEN RETURN NEXT; RETURN; END IF;

    at := memberintel_now() + (clock_timestamp() - now());
    today := (at AT TIME ZONE 'UTC')::date;
    this_month := date_trunc('month', at AT TIME ZONE 'UTC')::date;
    outcome := 'no_run';
    PERFORM FROM sync_run r WHERE r.run_id = in_run AND r.tenant_id = of_tenant AND r.pipeline_type = 'website' AND r.status = 'running';
    IF NOT FOUND THEN RETURN NEXT; RETURN; END IF;
    outcome := 'no_price';
    SELECT p.* INTO price FROM llm_price p WHERE p.model = by_model AND p.checked_on <= today ORDER BY p.checked_on DESC LIMIT 1;
    IF NOT FOUND THEN RETURN NEXT; RETURN; END IF;

    -- The analysis that is going on, or another if the period allows one.
    SELECT p.* INTO wanted FROM budget_period(for_purpose, at) AS p;
    frees_at := wanted.until;
    IF for_purpose = 'on_demand' AND (SELECT n.plan FROM tenant n WHERE n.tenant_id = of_tenant) IS DISTINCT FROM 'pro' THEN
        outcome := 'plan';
        SELECT p.until INTO frees_at FROM budget_period('scheduled', at) AS p;
        RETURN NEXT; RETURN;
    END IF;
    FOR i IN 1..wanted.most LOOP
        INSERT INTO analysis (tenant_id, purpose, period, nth, run_id) VALUES (of_tenant, for_purpose, wanted.name, i, in_run)
            ON CONFLICT DO NOTHING;
        SELECT y.* INTO a FROM analysis y
         WHERE y.tenant_id = of_tenant AND y.purpose = for_purpose AND y.period = wanted.name AND y.nth = i FOR UPDATE;
        outcome := 'done';
        CONTINUE WHEN a.ended_at IS NOT NULL;
        SELECT l.* INTO c FROM llm_call l WHERE l.analysis_id = a.analysis_id AND l.stage = for_stage
         ORDER BY l.attempt DESC LIMIT 1 FOR UPDATE;
        outcome := 'attempts';
        CONTINUE WHEN c.attempt = 2 AND c.status IN ('settled', 'unknown') OR c.tries = 40 AND c.status = 'released';
        outcome := NULL;
        EXIT;
    END LOOP;
    IF outcome IS NOT NULL THEN RETURN NEXT; RETURN; END IF;

    -- A call that was under way when its worker died may have been paid for: it is, in full. A batch comes back by itself.
    IF c.status = 'reserved' AND (c.batch AND c.expires_at > at OR c.run_id <> in_run AND EXISTS (SELECT FROM sync_run r
            WHERE r.run_id = c.run_id AND r.status = 'running' AND r.lease_expires_at > clock_timestamp())) THEN
        outcome := 'open';
        frees_at := c.expires_at;
        RETURN NEXT; RETURN;
    ELSIF c.status = 'reserved' THEN
        PERFORM budget_close(c, 'unknown');
        IF c.attempt = 2 THEN
            outcome := 'attempts';
            RETURN NEXT; RETURN;
        END IF;
    END IF;

    amount := greatest(1, budget_price(price, in_batch, 0, input_most, 0, output_most), budget_price(price, in_batch, input_most, 0, 0, output_most));
    SELECT b.* INTO caps FROM budget_cap b;
    caps.month := least(caps.month, month_cap);
    caps.day := least(caps.day, day_cap);
    caps.tenant_month := least(caps.tenant_month, tenant_cap);
    INSERT INTO spend_total (period, starts_on, cap) VALUES ('month', this_month, caps.month) ON CONFLICT DO NOTHING;
    SELECT s.* INTO m FROM spend_total s WHERE s.period = 'month' AND s.starts_on = this_month FOR UPDATE;
    INSERT INTO spend_total (period, starts_on, cap) VALUES ('day', today, caps.day) ON CONFLICT DO NOTHING;
    SELECT s.* INTO d FROM spend_total s WHERE s.period = 'day' AND s.starts_on = today FOR UPDATE;
    INSERT INTO spend_tenant (tenant_id, starts_on, cap) VALUES (of_tenant, this_month, caps.tenant_month) ON CONFLICT DO NOTHING;
    SELECT s.* INTO t FROM spend_tenant s WHERE s.tenant_id = of_tenant AND s.starts_on = this_month FOR UPDATE;
    reserved := amount;
    frees_at := date_trunc('month', at, 'UTC') + interval '1 month';
    IF m.reserved + m.settled + m.overrun + amount > caps.month THEN
        outcome := 'month'; spent := m.reserved + m.settled + m.overrun; cap := caps.month;
    ELSIF t.reserved + t.settled + t.overrun + amount > caps.tenant_month THEN
        outcome := 'tenant_month'; spent := t.reserved + t.settled + t.overrun; cap := caps.tenant_month;
    ELSIF d.reserved + d.settled + d.overrun + amount > caps.day THEN
        outcome := 'day'; spent := d.reserved + d.settled + d.overrun; cap := caps.day;
        frees_at := date_trunc('day', at, 'UTC') + interval '1 day';
    END IF;
    IF outcome IS NOT NULL THEN RETURN NEXT; RETURN; END IF;
    UPDATE spend_total s SET reserved = s.reserved + amount, cap = caps.month WHERE s.period = 'month' AND s.starts_on = this_month;
    UPDATE spend_total s SET reserved = s.reserved + amount, cap = caps.day WHERE s.period = 'day' AND s.starts_on = today;
    UPDATE spend_tenant s SET reserved = s.reserved + amount, cap = caps.tenant_month WHERE s.tenant_id = of_tenant AND s.starts_on = this_month;

    IF c.status = 'released' THEN
        UPDATE llm_call l SET status = 'reserved', tries = l.tries + 1, token = gen_random_uuid(), run_id = in_run, model = by_model,
               price_id = price.price_id, batch = in_batch, day = today, month = this_month, reserved = amount, cost = NULL, closed_at = NULL,
               created_at = at, expires_at = at + lasting
         WHERE l.call_id = c.call_id RETURNING l.* INTO c;
    ELSE
        INSERT INTO llm_call (tenant_id, analysis_id, stage, attempt, run_id, model, price_id, batch, day, month, reserved, created_at, expires_at)
        VALUES (of_tenant, a.analysis_id, for_stage, coalesce(c.attempt, 0) + 1, in_run, by_model, price.price_id, in_batch, today, this_month, amount,
                at, at + lasting)
        RETURNING * INTO c;
    END IF;
    outcome := 'reserved'; call_id := c.call_id; token := c.token; attempt := c.attempt; expires_at := c.expires_at; frees_at := NULL;
    RETURN NEXT;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
-- Finds and locks a call of the session's tenant, its analysis first. Null: there is none, or another reservation has taken its row.
CREATE FUNCTION budget_call(the_call bigint, held uuid)
RETURNS llm_call LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    of_tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
    c llm_call;
BEGIN
    PERFORM FROM analysis a WHERE a.tenant_id = of_tenant
        AND a.analysis_id = (SELECT l.analysis_id FROM llm_call l WHERE l.call_id = the_call AND l.tenant_id = of_tenant) FOR UPDATE;
    SELECT l.* INTO c FROM llm_call l WHERE l.call_id = the_call AND l.tenant_id = of_tenant AND l.token = held FOR UPDATE;
    RETURN c;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
-- Charges what an answer cost, once; an answer that comes after all, when its call was taken for lost or for refused, puts
-- right what was charged for it. Ends says that the analysis needs no further call. Returns the cost and whether this was the first time.
CREATE FUNCTION budget_settle(the_call bigint, held uuid, plain bigint, written bigint, cached bigint, told bigint, ends boolean, stop text, request text)
RETURNS TABLE (fresh boolean, cost bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    c llm_call := budget_call(the_call, held);
    at timestamptz := memberintel_now();
BEGIN
    IF c.call_id IS NULL THEN
        RAISE EXCEPTION 'budget_settle: call % is not this reservation''s', the_call USING ERRCODE = '22023';
    ELSIF (plain >= 0 AND written >= 0 AND cached >= 0 AND told >= 0) IS NOT TRUE THEN
        RAISE EXCEPTION 'budget_settle: usage below nothing' USING ERRCODE = '22023';
    END IF;
    fresh := c.status <> 'settled';
    cost := c.cost;
    IF fresh THEN
        SELECT budget_price(p, c.batch, plain, written, cached, told) INTO cost FROM llm_price p WHERE p.price_id = c.price_id;
        UPDATE llm_call l SET status = 'settled', cost = budget_settle.cost, closed_at = at, input_tokens = plain, cache_write_tokens = written,
               cache_read_tokens = cached, output_tokens = told, stop_reason = stop, request_id = request
         WHERE l.call_id = c.call_id;
        PERFORM budget_charge(c, CASE c.status WHEN 'reserved' THEN c.reserved ELSE 0 END, CASE c.status WHEN 'unknown' THEN c.reserved ELSE 0 END, cost);
    END IF;
    IF ends THEN
        UPDATE analysis a SET ended_at = at WHERE a.analysis_id = c.analysis_id AND a.ended_at IS NULL;
    END IF;
    RETURN NEXT;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
-- Gives a reservation back whose call cost nothing, because it was refused or never made. False: it was closed before.
CREATE FUNCTION budget_release(the_call bigint, held uuid)
RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT budget_close(budget_call(the_call, held), 'released')
$$;
-- +goose StatementEnd

-- +goose StatementBegin
-- Charges the whole reservation, when nobody can tell what became of the call. False: it was closed before.
CREATE FUNCTION budget_unknown(the_call bigint, held uuid)
RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT budget_close(budget_call(the_call, held), 'unknown')
$$;
-- +goose StatementEnd

-- +goose StatementBegin
-- Closes up to most calls of all tenants that nobody is waiting for any more, as unknown. Returns how many.
CREATE FUNCTION budget_reap(most integer)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    c llm_call;
    n integer := 0;
BEGIN
    FOR c IN SELECT * FROM llm_call WHERE status = 'reserved' AND expires_at < memberintel_now()
              ORDER BY month, day, call_id LIMIT most FOR UPDATE SKIP LOCKED LOOP
        PERFORM budget_close(c, 'unknown');
        n := n + 1;
    END LOOP;
    RETURN n;
END
$$;
-- +goose StatementEnd

-- The functions belong to memberintel_budget, which may create nothing once it owns them.
REVOKE EXECUTE ON FUNCTION budget_cap_audited(), llm_price_audited(), budget_price(llm_price, boolean, bigint, bigint, bigint, bigint),
    budget_period(text, timestamptz), budget_charge(llm_call, bigint, bigint, bigint), budget_close(llm_call, text), budget_call(bigint, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION budget_price(llm_price, boolean, bigint, bigint, bigint, bigint), budget_charge(llm_call, bigint, bigint, bigint),
    budget_close(llm_call, text), budget_call(bigint, uuid), budget_period(text, timestamptz) TO memberintel_budget;
GRANT EXECUTE ON FUNCTION budget_period(text, timestamptz) TO memberintel_app;
GRANT memberintel_budget TO CURRENT_USER;
GRANT CREATE ON SCHEMA public TO memberintel_budget;
-- +goose StatementBegin
DO $$
DECLARE f regprocedure;
BEGIN
    FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace
              AND proname IN ('budget_reserve', 'budget_settle', 'budget_release', 'budget_unknown', 'budget_reap')
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO memberintel_budget', f);
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', f, CASE f::regproc::text WHEN 'budget_reap' THEN 'memberintel_service' ELSE 'memberintel_app' END);
    END LOOP;
END
$$;
-- +goose StatementEnd
REVOKE CREATE ON SCHEMA public FROM memberintel_budget;
