-- +goose Up
-- The roles of the warehouse. They belong to the cluster, not to this database, so each is made only
-- where it is missing. None can log in except memberintel_app and the readers made for single tenants.
-- +goose StatementBegin
DO $$
DECLARE wanted record;
BEGIN
    FOR wanted IN SELECT * FROM (VALUES
        ('memberintel_app', 'LOGIN NOINHERIT'),        -- what the program works as
        ('memberintel_service', 'NOLOGIN NOINHERIT'),  -- cross-tenant routing and due work
        ('memberintel_operator', 'NOLOGIN NOINHERIT'), -- health across tenants, switches
        ('memberintel_reader', 'NOLOGIN'),             -- SELECT for the readers of single tenants
        ('memberintel_search', 'NOLOGIN NOINHERIT'),   -- owns search_members() and nothing else
        ('memberintel_budget', 'NOLOGIN NOINHERIT')    -- owns the functions of the budget
    ) AS w(role_name, options)
    LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I %s', wanted.role_name, wanted.options);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END
$$;
-- +goose StatementEnd
GRANT memberintel_service, memberintel_operator TO memberintel_app;

CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gin;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO memberintel_app, memberintel_service, memberintel_operator,
    memberintel_reader, memberintel_search, memberintel_budget;
GRANT SELECT ON goose_db_version TO memberintel_app; -- whether the schema is the program's

-- All SQL takes the time from here. In test databases alone the owner replaces it by a settable one.
CREATE FUNCTION memberintel_now() RETURNS timestamptz
    LANGUAGE sql STABLE AS 'SELECT now()';
