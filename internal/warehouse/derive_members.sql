-- Status, plan and dates of the members $5 (NULL: all). The status is what the tombstone says, else what the
-- club wrote in the member's metadata. Where transactions give access, it is active while one does, in trial or past due
-- with the subscription that it comes of, and then that of a subscription that was ended or held, or expired; status_until is when that comes. A subscription that leaves
-- access to transactions makes nobody active without one. Elsewhere it is that of the best subscription, else none.
UPDATE members m
   SET membership_status = d.membership_status, plan_source_id = d.plan_source_id, access_until = d.access_until,
       lifetime = d.lifetime, status_until = d.status_until, last_activity_at = d.last_activity_at
  FROM (
    SELECT m.source_id,
           CASE WHEN m.deleted_at IS NOT NULL THEN 'deleted'
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
           greatest(m.signup_at, m.last_login_at, t.last_at) AS last_activity_at
      FROM members m
      LEFT JOIN LATERAL (
        SELECT s.status, s.plan_source_id, s.access_until, s.access_derived
          FROM subscriptions s
         WHERE s.tenant_id = $1 AND s.source_platform = $2 AND s.source_account_id = $3 AND s.livemode = $4
           AND s.member_source_id = m.source_id AND s.deleted_at IS NULL
         ORDER BY array_position(
                      ARRAY ['active', 'trialing', 'past_due', 'paused', 'pending', 'canceled', 'expired'], s.status),
                  s.access_until DESC NULLS LAST, s.source_id
         LIMIT 1) best ON true
     CROSS JOIN LATERAL (
        SELECT max(t.occurred_at) FILTER (WHERE t.kind = 'payment' AND t.status = 'succeeded') AS last_at,
               coalesce(bool_or(t.gives_access), false) AS known, bool_or(t.lifetime) AS lifetime, max(t.access_until) AS until,
               (array_agg(t.plan_source_id ORDER BY t.lifetime DESC, t.access_until DESC, t.amount_minor DESC, t.source_id)
                   FILTER (WHERE t.gives_access))[1] AS plan_source_id
          FROM transactions t
         WHERE t.tenant_id = $1 AND t.source_platform = $2 AND t.source_account_id = $3 AND t.livemode = $4
           AND t.member_source_id = m.source_id AND t.deleted_at IS NULL) t
     WHERE m.tenant_id = $1 AND m.source_platform = $2 AND m.source_account_id = $3 AND m.livemode = $4
       AND ($5::text[] IS NULL OR m.source_id = ANY ($5))
  ) AS d
 WHERE m.tenant_id = $1 AND m.source_platform = $2 AND m.source_account_id = $3 AND m.livemode = $4
   AND m.source_id = d.source_id
   AND (m.membership_status, m.plan_source_id, m.access_until, m.lifetime, m.status_until, m.last_activity_at) IS DISTINCT FROM
       (d.membership_status, d.plan_source_id, d.access_until, d.lifetime, d.status_until, d.last_activity_at)
