-- +goose Up
-- Fast search under row-level security. Under it an index on ilike or a trigram is not used, because those
-- operators are not leakproof; one reviewed function runs as a role that may read members and nothing else.
CREATE POLICY search ON members FOR SELECT TO memberintel_search USING (true);
GRANT SELECT ON members TO memberintel_search;

-- +goose StatementBegin
-- Members of the session's tenant whose name or e-mail contains every word of query (the first eight count),
-- by name. One or two letters mean that the name or the e-mail begins with them.
-- after_name and after_id continue a page; page is 1 to 200.
-- How it comes to its answer, and why the planner is not asked, stands in docs/decisions/0009.
CREATE FUNCTION search_members(
    query text DEFAULT '', status text DEFAULT NULL, plan text DEFAULT NULL, metadata_has jsonb DEFAULT NULL,
    after_name text DEFAULT NULL, after_id bigint DEFAULT NULL, page integer DEFAULT 50)
RETURNS TABLE (id bigint, source_platform text, source_id text, name text, email text,
               membership_status text, plan_source_id text, sort_name text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off
SET jit = off
SET max_parallel_workers_per_gather = 0
AS $$
DECLARE
    tenant uuid;
    wanted text := lower(btrim(coalesce(query, '')));
    words text[] := '{}';
    word text;
    ranges text[] := ARRAY[' FROM public.members m WHERE m.tenant_id = $1']; -- of indexes in the order of names
    begins text := '';
    filters text := '';
    searchable boolean := metadata_has IS NOT NULL; -- by members_search
    look integer;                                   -- how many to read in the order of names
    first text;                                     -- these
    found integer;
    names text[];
    ids bigint[];
BEGIN
    -- A reader's tenant comes from its login; only the program's own login may name one.
    SELECT r.tenant_id INTO tenant FROM public.tenant_reader r WHERE r.role_name = session_user::text COLLATE "default";
    IF tenant IS NULL AND NOT pg_has_role(session_user, 'memberintel_reader', 'USAGE') THEN
        tenant := nullif(current_setting('app.tenant_id', true), '')::uuid;
    ELSIF tenant IS NULL AND (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) THEN
        tenant := nullif(current_setting('app.tenant_id', true), '')::uuid;
    END IF;
    IF tenant IS NULL THEN
        RAISE EXCEPTION 'search_members: no tenant for this session' USING ERRCODE = '42501';
    END IF;
    IF page IS NULL OR page < 1 OR page > 200 THEN
        RAISE EXCEPTION 'search_members: page must be 1 to 200' USING ERRCODE = '22023';
    END IF;

    IF after_name IS NOT NULL THEN ranges[1] := ranges[1] || ' AND (m.sort_name, m.id) > ($7, $8)'; END IF;
    IF length(wanted) BETWEEN 1 AND 2 THEN
        begins := ' AND (m.sort_name ^@ $2 OR m.email_start ^@ $2)';
        ranges := ARRAY[ranges[1] || ' AND m.sort_name ^@ $2',
            ranges[1] || ' AND m.email_letter = left($2, 1) AND m.email_start ^@ $2 AND NOT m.sort_name ^@ $2'
                      || ' AND m.email_start <> left(m.sort_name, 2) AND m.email_start <> '''''];
    ELSE
        FOREACH word IN ARRAY (regexp_split_to_array(left(wanted, 200), '\s+'))[1:8] LOOP
            CONTINUE WHEN word = '';
            words := words || ('%' || replace(replace(replace(word, '\', '\\'), '%', '\%'), '_', '\_') || '%');
            filters := filters || format(' AND m.search_text LIKE $3[%s]', cardinality(words));
            searchable := searchable OR word ~ '[[:alnum:]]{3}';
        END LOOP;
    END IF;
    IF status IS NOT NULL THEN filters := filters || ' AND m.membership_status = $4'; END IF;
    IF plan IS NOT NULL THEN filters := filters || ' AND m.plan_source_id = $5'; END IF;
    IF metadata_has IS NOT NULL THEN filters := filters || ' AND m.metadata @> $6'; END IF;

    -- In the order of names, by what stands in an index alone: a few hundred, and if those bear enough, twice as
    -- many as should do; all, where members_search is of no use.
    look := CASE WHEN NOT searchable THEN page WHEN metadata_has IS NULL THEN 500 ELSE 125 END;
    SELECT string_agg('(SELECT m.sort_name, m.id, m.search_text, m.membership_status, m.plan_source_id, m.metadata' || r
                      || CASE WHEN searchable THEN '' ELSE filters END || ' ORDER BY m.sort_name, m.id LIMIT $10)', ' UNION ALL ')
        INTO first FROM unnest(ranges) AS r;
    first := ' FROM (SELECT * FROM (' || first || ') AS m ORDER BY m.sort_name, m.id LIMIT $10) AS m';
    FOR attempt IN 1..2 LOOP
        EXECUTE 'SELECT array_agg(k.sort_name), array_agg(k.id) FROM (SELECT m.sort_name, m.id' || first || ' WHERE true'
            || CASE WHEN searchable THEN filters ELSE '' END || ' ORDER BY m.sort_name, m.id LIMIT $9) AS k'
            INTO names, ids
            USING tenant, wanted, words, status, plan, metadata_has, after_name, coalesce(after_id, 0), page, look;
        found := coalesce(cardinality(ids), 0);
        searchable := searchable AND found < page;
        EXIT WHEN attempt = 2 OR NOT searchable OR found * 10 < page;
        look := 2 * look * page / found;
    END LOOP;
    IF searchable AND after_name IS NOT NULL THEN -- the last page has seen the last name
        EXECUTE 'SELECT count(*) = $10' || first INTO searchable
            USING tenant, wanted, words, status, plan, metadata_has, after_name, coalesce(after_id, 0), page, look;
    END IF;

    IF searchable THEN
        -- Few match, or late in the alphabet: all of them, sorted then. OFFSET 0 keeps the planner from walking
        -- through the names, as it would if it took the matches for evenly spread.
        RETURN QUERY EXECUTE 'SELECT * FROM (SELECT m.id, m.source_platform, m.source_id, m.name, m.email,'
            || ' m.membership_status, m.plan_source_id, m.sort_name FROM public.members m WHERE m.tenant_id = $1' || begins || filters
            || ' OFFSET 0) AS hit WHERE $7 IS NULL OR (sort_name, id) > ($7, $8) ORDER BY sort_name, id LIMIT $9'
            USING tenant, wanted, words, status, plan, metadata_has, after_name, coalesce(after_id, 0), page;
        RETURN;
    END IF;
    RETURN QUERY SELECT m.id, m.source_platform, m.source_id, m.name, m.email, m.membership_status, m.plan_source_id, m.sort_name
        FROM unnest(names, ids) AS k (sort_name, id)
        JOIN public.members m ON m.tenant_id = tenant AND m.sort_name = k.sort_name AND m.id = k.id
        ORDER BY m.sort_name, m.id;
END
$$;
-- +goose StatementEnd

-- The function runs as memberintel_search, which may create nothing once it owns it.
GRANT memberintel_search TO CURRENT_USER;
GRANT CREATE ON SCHEMA public TO memberintel_search;
ALTER FUNCTION search_members(text, text, text, jsonb, text, bigint, integer) OWNER TO memberintel_search;
REVOKE CREATE ON SCHEMA public FROM memberintel_search;
REVOKE EXECUTE ON FUNCTION search_members(text, text, text, jsonb, text, bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_members(text, text, text, jsonb, text, bigint, integer)
    TO memberintel_app, memberintel_reader;
