-- $1 token, $2 lease, $3 limit, $4 tenants and $5 pipelines that are stopped
WITH due AS (
    SELECT o.mail_id, i.pipeline_type
      FROM alert_outbox o
      JOIN alert_incident i USING (tenant_id, incident_id)
     WHERE o.status = 'waiting' AND o.not_before <= memberintel_now()
       AND (o.lease_expires_at IS NULL OR o.lease_expires_at < clock_timestamp())
       AND (o.about = 'recovery' OR i.ended_at IS NULL)
       AND o.tenant_id::text <> ALL ($4) AND i.pipeline_type <> ALL ($5)
     ORDER BY o.not_before, o.mail_id
     LIMIT $3
       FOR UPDATE OF o SKIP LOCKED)
UPDATE alert_outbox o
   SET lease_token = $1, lease_expires_at = clock_timestamp() + $2::interval
  FROM due
 WHERE o.mail_id = due.mail_id
RETURNING o.mail_id, o.tenant_id, due.pipeline_type, o.about, o.recipient, o.subject, o.text, o.html, o.created_at, o.attempts
