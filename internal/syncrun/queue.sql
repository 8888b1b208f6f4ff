-- One run a tenant and pipeline waits. What is asked for while one waits joins it: the run then comes as soon as the
-- sooner of the two, and reads everything if one of them was to. $8 are the causes that are a person's.
--
-- For a knock less may be read than for anything else, so a run is one for a knock only where nobody else asked for it.
--
-- A person starts a new count of attempts. The source's own knock shortens no wait: a site that is sick is not to be
-- asked more often because it calls. So a run that waits keeps its time, and what a knock asked for while a run was
-- under way waits as long as that run's next try.
INSERT INTO sync_run AS r (tenant_id, connection_id, pipeline_type, mode, status, attempt, not_before, cause, cadence)
SELECT w.tenant_id, w.connection_id, w.pipeline_type, w.mode, 'queued', w.attempt, memberintel_now() + w.after, w.cause, w.cadence
  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::integer[], $6::interval[], $7::text[], $9::interval[])
    AS w (tenant_id, connection_id, pipeline_type, mode, attempt, after, cause, cadence)
    ON CONFLICT (tenant_id, pipeline_type) WHERE status = 'queued' DO UPDATE
   SET connection_id = excluded.connection_id,
       mode = CASE WHEN excluded.mode = 'full' THEN 'full' ELSE r.mode END,
       attempt = CASE WHEN excluded.attempt = 1 AND excluded.cause = ANY ($8) THEN 1
                      WHEN r.attempt = 1 AND r.cause = ANY ($8) THEN 1
                      ELSE greatest(r.attempt, excluded.attempt) END,
       cause = CASE WHEN excluded.attempt = 1 AND excluded.cause = ANY ($8) OR r.cause = 'knock' THEN excluded.cause ELSE r.cause END,
       gen = r.gen + CASE WHEN excluded.not_before < r.not_before AND excluded.cause <> 'knock' THEN 1 ELSE 0 END,
       not_before = CASE WHEN r.cause = 'knock' AND r.attempt = 1 AND excluded.not_before > memberintel_now()
                              THEN greatest(r.not_before, excluded.not_before)
                         WHEN excluded.cause = 'knock' THEN r.not_before
                         ELSE least(r.not_before, excluded.not_before) END
RETURNING run_id, gen, not_before
