-- Who may do what with River's tables: the program works on jobs, its cross-tenant role may only add some, and
-- nobody else sees them.
REVOKE ALL ON SCHEMA river FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA river FROM PUBLIC;
GRANT USAGE ON SCHEMA river TO memberintel_app, memberintel_service;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA river TO memberintel_app, memberintel_service; -- an index calls one
GRANT USAGE ON SEQUENCE river.river_job_id_seq TO memberintel_app, memberintel_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON river.river_job, river.river_queue, river.river_leader TO memberintel_app;
-- River writes a job's kind anew where the job is there already, and reads the row back.
GRANT SELECT, INSERT, UPDATE (kind) ON river.river_job TO memberintel_service;
