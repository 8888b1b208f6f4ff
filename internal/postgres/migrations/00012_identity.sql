-- +goose Up
-- Who may sign in and for whom, and the way in which a site is connected with its owner's consent. Nothing in these
-- tables opens a door by itself: passwords, sessions and codes are there as hashes alone.

CREATE TABLE user_login (
    user_id       uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email         text NOT NULL UNIQUE CHECK (email = lower(email) AND email <> '' AND length(email) <= 254),
    password_hash text NOT NULL, -- argon2id, with its parameters and salt
    created_at    timestamptz NOT NULL DEFAULT memberintel_now(),
    UNIQUE (user_id, email)
);

-- What a user is to a tenant; one person may serve several.
CREATE TABLE tenant_user (
    tenant_id  uuid NOT NULL REFERENCES tenant,
    user_id    uuid NOT NULL,
    email      text NOT NULL, -- the login's
    role       text NOT NULL CHECK (role IN ('owner', 'viewer', 'operator')),
    created_at timestamptz NOT NULL DEFAULT memberintel_now(),
    PRIMARY KEY (tenant_id, user_id),
    FOREIGN KEY (user_id, email) REFERENCES user_login (user_id, email)
);
CREATE INDEX tenant_user_login ON tenant_user (user_id);

CREATE TABLE user_session (
    session_hash bytea PRIMARY KEY CHECK (length(session_hash) = 32), -- SHA-256 of what the cookie holds
    user_id      uuid NOT NULL REFERENCES user_login ON DELETE CASCADE,
    created_at   timestamptz NOT NULL DEFAULT memberintel_now(),
    last_seen_at timestamptz NOT NULL DEFAULT memberintel_now(),
    expires_at   timestamptz NOT NULL
);
CREATE INDEX user_session_expires ON user_session (expires_at);

-- How often something was tried, by the hash of what and who.
CREATE TABLE attempt_rate (
    subject  bytea PRIMARY KEY CHECK (length(subject) = 32),
    attempts integer NOT NULL,
    until    timestamptz NOT NULL -- when counting begins anew
);
CREATE INDEX attempt_rate_until ON attempt_rate (until);

-- What an owner agreed to, until the site has fetched its key.
CREATE TABLE connect_code (
    tenant_id  uuid NOT NULL,
    code_hash  bytea PRIMARY KEY CHECK (length(code_hash) = 32),
    user_id    uuid NOT NULL,
    site_url   text NOT NULL,
    site_id    uuid NOT NULL,
    callback   text NOT NULL,
    challenge  text NOT NULL, -- PKCE: SHA-256 of the site's verifier
    created_at timestamptz NOT NULL DEFAULT memberintel_now(),
    expires_at timestamptz NOT NULL,
    spent_at   timestamptz,
    FOREIGN KEY (tenant_id, user_id) REFERENCES tenant_user ON DELETE CASCADE
);
CREATE INDEX connect_code_expires ON connect_code (expires_at);
CREATE INDEX connect_code_user ON connect_code (tenant_id, user_id);

-- Where a connected site is, so that a copy of it elsewhere is found out.
CREATE TABLE connected_home (
    tenant_id     uuid NOT NULL,
    connection_id uuid PRIMARY KEY,
    home_url      text NOT NULL,
    home_hash     bytea NOT NULL CHECK (length(home_hash) = 32), -- SHA-256 of the address without its scheme
    agreed_at     timestamptz NOT NULL DEFAULT memberintel_now(),
    confirmed_at  timestamptz, -- the site signed that it is there
    strange_url   text,        -- where it says that it is instead; nothing is read until an owner has agreed
    FOREIGN KEY (tenant_id, connection_id) REFERENCES connection (tenant_id, connection_id) ON DELETE CASCADE
);

-- +goose StatementBegin
DO $$
DECLARE t regclass;
BEGIN
    FOREACH t IN ARRAY ARRAY['tenant_user', 'connect_code', 'connected_home']::regclass[]
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY owner ON %s TO %I USING (true) WITH CHECK (true)', t, current_user);
        EXECUTE format($p$CREATE POLICY tenant ON %s TO memberintel_app
            USING (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
            WITH CHECK (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)$p$, t);
    END LOOP;
END
$$;
-- +goose StatementEnd
GRANT SELECT, INSERT, UPDATE (role) ON tenant_user TO memberintel_app;
GRANT SELECT, INSERT, UPDATE (spent_at) ON connect_code TO memberintel_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON connected_home TO memberintel_app;

-- Who somebody is, is asked before a tenant is known.
CREATE POLICY service ON tenant_user FOR SELECT TO memberintel_service USING (true);
CREATE POLICY service ON connect_code TO memberintel_service USING (true);
GRANT SELECT ON tenant_user TO memberintel_service;
GRANT SELECT, INSERT, UPDATE (password_hash) ON user_login TO memberintel_service;
GRANT SELECT, INSERT, DELETE, UPDATE (last_seen_at, expires_at) ON user_session TO memberintel_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON attempt_rate TO memberintel_service;
GRANT SELECT, DELETE, UPDATE (spent_at) ON connect_code TO memberintel_service;
