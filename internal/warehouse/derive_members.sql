-- Status, plan and dates of the members $5 (NULL: all). The status is what the tombstone says, else what the
-- club wrote in the member's metadata, else that of the best subscription, else none.
UPDATE members m
   SET membership_status = d.membership_status, plan_source_id = d.plan_source_id,
       access_until = d.access_until, last_activity_at = d.last_activity_at
  FROM (
    SELECT m.source_id,
           CASE WHEN m.deleted_at IS NOT NULL THEN 'deleted'
                ELSE left(coalesce(nullif(m.metadata ->> 'membership_status', ''), best.status, 'none'), 64)
           END AS membership_status,
           best.plan_source_id, best.access_until,
           greatest(m.signup_at, paid.last_at) AS last_activity_at
      FROM members m
      LEFT JOIN LATERAL (
        SELECT s.status, s.plan_source_id, s.access_until
          FROM subscriptions s
         WHERE s.tenant_id = $1 AND s.source_platform = $2 AND s.source_account_id = $3 AND s.livemode = $4
           AND s.member_source_id = m.source_id AND s.deleted_at IS NULL
         ORDER BY array_position(
                      ARRAY ['active', 'trialing', 'past_due', 'paused', 'pending', 'canceled', 'expired'], s.status),
                  s.access_until DESC NULLS LAST, s.source_id
         LIMIT 1) best ON true
      LEFT JOIN LATERAL (
        SELECT max(t.occurred_at) AS last_at
          FROM transactions t
         WHERE t.tenant_id = $1 AND t.source_platform = $2 AND t.source_account_id = $3 AND t.livemode = $4
           AND t.member_source_id = m.source_id AND t.kind = 'payment' AND t.status = 'succeeded'
           AND t.deleted_at IS NULL) paid ON true
     WHERE m.tenant_id = $1 AND m.source_platform = $2 AND m.source_account_id = $3 AND m.livemode = $4
       AND ($5::text[] IS NULL OR m.source_id = ANY ($5))
  ) AS d
 WHERE m.tenant_id = $1 AND m.source_platform = $2 AND m.source_account_id = $3 AND m.livemode = $4
   AND m.source_id = d.source_id
   AND (m.membership_status, m.plan_source_id, m.access_until, m.last_activity_at)
       IS DISTINCT FROM (d.membership_status, d.plan_source_id, d.access_until, d.last_activity_at)
