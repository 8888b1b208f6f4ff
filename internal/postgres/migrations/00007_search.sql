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
AS $$
DECLARE
    tenant uuid;
    words text[] := '{}';
    word text;
    starts text[] := '{""}';
    start text;
    found text;
    conditions text := '';
    wanted text := lower(btrim(coalesce(query, '')));
BEGIN
    -- A reader's tenant comes from its login; only the program's own login may name one.
    SELECT r.tenant_id INTO tenant FROM public.tenant_reader r WHERE r.role_name = session_user;
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

    IF length(wanted) BETWEEN 1 AND 2 THEN
        starts := ARRAY[' AND m.sort_name ^@ $2', ' AND m.email_l ^@ $2'];
    ELSIF wanted <> '' THEN
        FOREACH word IN ARRAY (regexp_split_to_array(left(wanted, 200), '\s+'))[1:8] LOOP
            words := words || ('%' || replace(replace(replace(word, '\', '\\'), '%', '\%'), '_', '\_') || '%');
            conditions := conditions || format(' AND m.search_text LIKE $3[%s]', cardinality(words));
        END LOOP;
    END IF;
    IF status IS NOT NULL THEN conditions := conditions || ' AND m.membership_status = $4'; END IF;
    IF plan IS NOT NULL THEN conditions := conditions || ' AND m.plan_source_id = $5'; END IF;
    IF metadata_has IS NOT NULL THEN conditions := conditions || ' AND m.metadata @> $6'; END IF;
    IF after_name IS NOT NULL THEN conditions := conditions || ' AND (m.sort_name, m.id) > ($7, $8)'; END IF;

    -- The page is found first, by what stands in the index alone, and its members are read then. A UNION of
    -- two ranges lets each have its own index.
    FOREACH start IN ARRAY starts LOOP
        found := concat_ws(' UNION ', found, 'SELECT * FROM (SELECT m.sort_name, m.id FROM public.members m WHERE m.tenant_id = $1'
            || start || conditions || ' ORDER BY m.sort_name, m.id LIMIT $9) AS range');
    END LOOP;
    RETURN QUERY EXECUTE
        'SELECT m.id, m.source_platform, m.source_id, m.name, m.email, m.membership_status, m.plan_source_id, m.sort_name'
        || ' FROM (' || found || ' ORDER BY sort_name, id LIMIT $9) AS k'
        || ' JOIN public.members m ON m.tenant_id = $1 AND m.sort_name = k.sort_name AND m.id = k.id'
        || ' ORDER BY k.sort_name, k.id'
        USING tenant, wanted, words, status, plan, metadata_has, after_name, coalesce(after_id, 0), page;
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
