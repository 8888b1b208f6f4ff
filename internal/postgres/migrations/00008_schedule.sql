-- +goose Up
-- When syncs run: the queue of runs, the slots that bound how many run at once, and the pace of the schedule.

-- A queued run waits for a worker. A delivery names the run and its generation, and one that names an older
-- generation is dropped.
ALTER TABLE sync_run
    ADD COLUMN attempt    integer NOT NULL DEFAULT 1, -- of one request
    ADD COLUMN gen        integer NOT NULL DEFAULT 1, -- raised whenever a delivery is sent that is to replace another
    ADD COLUMN not_before timestamptz,                -- of a run that is or was queued: from then on it may begin
    ADD COLUMN redelivered_at timestamptz,            -- when its delivery was last taken for lost
    ADD COLUMN cause      text;                       -- who asked: the schedule, a button, a knock; null: nobody queued it
CREATE UNIQUE INDEX sync_run_queued ON sync_run (tenant_id, pipeline_type) WHERE status = 'queued';
CREATE INDEX sync_run_open ON sync_run (run_id) WHERE status IN ('queued', 'running') AND mode <> 'live';

-- As many rows as syncs may run at once, over all processes. One that has run out is free.
CREATE TABLE run_slot (
    slot_id    integer PRIMARY KEY,
    token      bigint,      -- whoever took it last, and nobody before, knows it; null: free
    held_by    bigint,      -- the run, for people who look
    expires_at timestamptz
) WITH (fillfactor = 50);   -- it is beaten every few seconds
CREATE SEQUENCE run_slot_token;

-- How many syncs the schedule may start now. Whoever holds the row ticks.
CREATE TABLE schedule_pace (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    allowance  double precision NOT NULL DEFAULT 0,
    as_of      timestamptz,                         -- of the allowance; null: there was no tick yet
    mean       double precision NOT NULL DEFAULT 0, -- starts a minute that the connections ask for
    counted_at timestamptz
);
INSERT INTO schedule_pace DEFAULT VALUES;

-- What is paused waits outside the index, so that it is not met with every tick.
DROP INDEX connection_sync_due;
CREATE INDEX connection_sync_due ON connection (next_sync_at)
    WHERE next_sync_at IS NOT NULL AND state NOT IN ('disconnected', 'paused');
CREATE INDEX connection_unscheduled ON connection (connected_at)
    WHERE next_sync_at IS NULL AND state <> 'disconnected';

GRANT INSERT (tenant_id, connection_id, pipeline_type, mode, status, attempt, gen, not_before, cause, cadence),
      UPDATE (connection_id, status, attempt, gen, not_before, redelivered_at, cause, mode, finished_at, error_message, lease_token, lease_expires_at)
    ON sync_run TO memberintel_service;
GRANT SELECT (connected_at) ON connection TO memberintel_service;
GRANT SELECT, INSERT, UPDATE ON run_slot TO memberintel_service;
GRANT USAGE ON SEQUENCE run_slot_token TO memberintel_service;
GRANT SELECT, UPDATE ON schedule_pace TO memberintel_service;
GRANT SELECT ON run_slot, schedule_pace TO memberintel_operator;

-- As before, and a run that waits in the queue says nothing yet.
CREATE OR REPLACE VIEW tenant_data_freshness WITH (security_invoker = true) AS
SELECT r.tenant_id, r.pipeline_type,
       max(r.data_as_of) FILTER (WHERE r.status IN ('succeeded', 'partial') OR r.mode = 'live') AS data_as_of,
       max(r.finished_at) FILTER (WHERE r.status = 'succeeded' AND r.mode IN ('full', 'incremental')) AS last_success_at,
       (array_agg(r.status ORDER BY r.run_id DESC) FILTER (WHERE r.mode <> 'live'))[1] AS last_status,
       coalesce(max(r.finished_at) FILTER (WHERE r.status = 'succeeded' AND r.mode IN ('full', 'incremental'))
           < memberintel_now() - 2 * (array_agg(r.cadence ORDER BY r.run_id DESC) FILTER (WHERE r.mode <> 'live'))[1], true) AS stale
  FROM (SELECT s.*, first_value(s.connection_id) OVER (PARTITION BY s.tenant_id, s.pipeline_type ORDER BY s.run_id DESC) AS latest
          FROM sync_run s
         WHERE s.mode IN ('full', 'incremental', 'replay', 'live') AND s.status <> 'queued') AS r
 WHERE r.connection_id = r.latest
 GROUP BY r.tenant_id, r.pipeline_type;
