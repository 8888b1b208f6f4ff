-- What follows for the members $5 from their records, where it differs from what stands in their rows: the
-- rule of derive_members.sql. OFFSET 0 keeps the planner from reading all of the tenant's rows, which it takes
-- for few as long as it has no statistics of a new tenant, or none that know that columns depend on each other.
-- The sub-select around $5 hides its length, so that one plan serves and is kept.
SELECT m.source_id, d.membership_status, d.plan_source_id, d.access_until, d.lifetime, d.status_until, d.last_activity_at
  FROM unnest((SELECT $5::text[])) AS wanted (id)
 CROSS JOIN LATERAL (
    SELECT m.source_id, m.deleted_at, m.metadata, m.signup_at, m.last_login_at,
           m.membership_status, m.plan_source_id, m.access_until, m.lifetime, m.status_until, m.last_activity_at
      FROM members m
     WHERE m.tenant_id = $1 AND m.source_platform = $2 AND m.source_account_id = $3 AND m.livemode = $4
       AND m.source_id = wanted.id OFFSET 0) m
  LEFT JOIN LATERAL (
    SELECT s.status, s.plan_source_id, s.access_until, s.access_derived
      FROM (SELECT * FROM subscriptions WHERE tenant_id = $1 AND member_source_id = m.source_id OFFSET 0) s
     WHERE s.source_platform = $2 AND s.source_account_id = $3 AND s.livemode = $4 AND s.deleted_at IS NULL
     ORDER BY array_position(
                  ARRAY ['active', 'trialing', 'past_due', 'paused', 'pending', 'canceled', 'expired'], s.status),
              s.access_until DESC NULLS LAST, s.source_id
     LIMIT 1) best ON true
 CROSS JOIN LATERAL (
    SELECT max(t.occurred_at) FILTER (WHERE t.kind = 'payment' AND t.status = 'succeeded') AS last_at,
           coalesce(bool_or(t.gives_access), false) AS known, bool_or(t.lifetime) AS lifetime, max(t.access_until) AS until,
           (array_agg(t.plan_source_id ORDER BY t.lifetime DESC, t.access_until DESC, t.amount_minor DESC, t.source_id)
               FILTER (WHERE t.gives_access))[1] AS plan_source_id
      FROM (SELECT * FROM transactions WHERE tenant_id = $1 AND member_source_id = m.source_id OFFSET 0) t
     WHERE t.source_platform = $2 AND t.source_account_id = $3 AND t.livemode = $4 AND t.deleted_at IS NULL) t
 CROSS JOIN LATERAL (
    SELECT CASE WHEN m.deleted_at IS NOT NULL THEN 'deleted'
                ELSE left(coalesce(nullif(m.metadata ->> 'membership_status', ''),
                     CASE WHEN t.known AND (t.lifetime OR t.until > memberintel_now())
                          THEN CASE WHEN best.status IN ('trialing', 'past_due') AND NOT t.lifetime AND t.until <= best.access_until THEN best.status ELSE 'active' END
                          WHEN t.known OR best.access_derived AND best.status IN ('active', 'trialing')
                          THEN CASE WHEN best.status IN ('canceled', 'paused', 'past_due') THEN best.status ELSE 'expired' END
                     END, best.status, 'none'), 64)
           END AS membership_status,
           CASE WHEN t.known THEN t.plan_source_id ELSE best.plan_source_id END AS plan_source_id,
           CASE WHEN NOT t.known THEN best.access_until WHEN NOT t.lifetime THEN t.until END AS access_until,
           coalesce(t.lifetime, false) AS lifetime,
           CASE WHEN m.deleted_at IS NULL AND t.known AND NOT t.lifetime AND t.until > memberintel_now() THEN t.until END AS status_until,
           greatest(m.signup_at, m.last_login_at, t.last_at) AS last_activity_at) d
 WHERE (m.membership_status, m.plan_source_id, m.access_until, m.lifetime, m.status_until, m.last_activity_at) IS DISTINCT FROM
       (d.membership_status, d.plan_source_id, d.access_until, d.lifetime, d.status_until, d.last_activity_at)
 ORDER BY m.source_id
