-- +goose Up
-- Whose site a profile is of, how far it can be believed, and whether it was written without a look at the one before.
ALTER TABLE customer_brain.site_profile
    ADD COLUMN connection_id uuid, -- stays when the connection is gone
    ADD COLUMN grounded real CHECK (grounded BETWEEN 0 AND 1),
    ADD COLUMN fresh    boolean NOT NULL DEFAULT true;
GRANT INSERT (connection_id, grounded, fresh) ON customer_brain.site_profile TO memberintel_app;
CREATE INDEX site_profile_of ON customer_brain.site_profile (connection_id, version DESC);
