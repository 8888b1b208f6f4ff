-- +goose Up
-- Fast search under row-level security. Under it an index on ilike or a trigram is not used, because those
-- operators are not leakproof; one reviewed function runs as a role that may read members and nothing else.
CREATE POLICY search ON members FOR SELECT TO memberintel_search USING (true);
GRANT SELECT ON members TO memberintel_search;

-- +goose StatementBegin
-- Members of the session's tenant whose name or e-mail contains every word of query (the first eight count),
-- by name.
-- One or two letters mean "begins with". after_name and after_id continue a page; page is 1 to 200.
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
AS $$
DECLARE
    tenant uuid;
    wanted text := lower(btrim(coalesce(query, '')));
    words text[] := '{}';
    word text;
    range text := ' FROM public.members m WHERE m.tenant_id = $1';
    ranges text[];
    filters text := '';
    searchable boolean := metadata_has IS NOT NULL; -- by the index members_search
    look integer := CASE WHEN metadata_has IS NULL THEN 500 ELSE 125 END; -- metadata does not stand in the index of names
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

    IF after_name IS NOT NULL THEN range := range || ' AND (m.sort_name, m.id) > ($7, $8)'; END IF;
    IF status IS NOT NULL THEN filters := filters || ' AND m.membership_status = $4'; END IF;
    IF plan IS NOT NULL THEN filters := filters || ' AND m.plan_source_id = $5'; END IF;
    IF metadata_has IS NOT NULL THEN filters := filters || ' AND m.metadata @> $6'; END IF;
    IF length(wanted) BETWEEN 1 AND 2 THEN
        searchable := false;
        ranges := ARRAY[range || ' AND m.sort_name ^@ $2',
            range || ' AND m.email_letter = left($2, 1) AND m.email_start ^@ $2'
                  || ' AND m.email_start <> left(m.sort_name, 2) AND m.email_start <> '''''];
    ELSE
        ranges := ARRAY[range];
        FOREACH word IN ARRAY (regexp_split_to_array(left(wanted, 200), '\s+'))[1:8] LOOP
            CONTINUE WHEN word = '';
            words := words || ('%' || replace(replace(replace(word, '\', '\\'), '%', '\%'), '_', '\_') || '%');
            filters := filters || format(' AND m.search_text LIKE $3[%s]', cardinality(words));
            searchable := searchable OR word ~ '[[:alnum:]]{3}';
        END LOOP;
    END IF;

    IF searchable THEN
        -- Where many match, the first names fill the page. So a few hundred are read, and twice as many as should
        -- do if those bore enough.
        FOR attempt IN 1..2 LOOP
            EXECUTE 'SELECT array_agg(k.sort_name), array_agg(k.id) FROM (SELECT m.sort_name, m.id FROM (SELECT m.*' || range
                || ' ORDER BY m.sort_name, m.id LIMIT ' || look || ') AS m WHERE true' || filters
                || ' ORDER BY m.sort_name, m.id LIMIT $9) AS k'
                INTO names, ids
                USING tenant, wanted, words, status, plan, metadata_has, after_name, coalesce(after_id, 0), page;
            found := coalesce(cardinality(ids), 0);
            searchable := found < page;
            EXIT WHEN attempt = 2 OR NOT searchable OR found * 10 < page;
            look := 2 * look * page / found;
        END LOOP;
        IF searchable AND after_name IS NOT NULL THEN -- the last page may have seen the last name
            EXECUTE 'SELECT count(*) > ' || look || ' FROM (SELECT' || range || ' LIMIT ' || look || ' + 1) AS seen'
                INTO searchable USING tenant, wanted, words, status, plan, metadata_has, after_name, coalesce(after_id, 0);
        END IF;
        IF searchable THEN
            -- Few match, or late in the alphabet: all of them, sorted then. OFFSET 0 keeps the planner from walking
            -- through the names, as it would if it took the matches for evenly spread.
            RETURN QUERY EXECUTE 'SELECT * FROM (SELECT m.id, m.source_platform, m.source_id, m.name, m.email,'
                || ' m.membership_status, m.plan_source_id, m.sort_name FROM public.members m WHERE m.tenant_id = $1' || filters
                || ' OFFSET 0) AS hit WHERE $7 IS NULL OR (sort_name, id) > ($7, $8) ORDER BY sort_name, id LIMIT $9'
                USING tenant, wanted, words, status, plan, metadata_has, after_name, coalesce(after_id, 0), page;
            RETURN;
        END IF;
    ELSE
        EXECUTE 'SELECT array_agg(k.sort_name), array_agg(k.id) FROM (' || (
                SELECT string_agg('SELECT * FROM (SELECT m.sort_name, m.id' || r || filters
                                  || ' ORDER BY m.sort_name, m.id LIMIT $9) AS first', ' UNION ') FROM unnest(ranges) AS r)
            || ' ORDER BY sort_name, id LIMIT $9) AS k'
            INTO names, ids
            USING tenant, wanted, words, status, plan, metadata_has, after_name, coalesce(after_id, 0), page;
    END IF;
    -- So far the page is known by what stands in an index alone; its members are read now.
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
