-- What the members s that are read derive from what was read before them: the rule of derive_members.sql. OFFSET 0:
-- see derive_members_of.sql.
  LEFT JOIN LATERAL (
    SELECT b.status, b.plan_source_id, b.access_until
      FROM (SELECT * FROM subscriptions WHERE tenant_id = $1 AND member_source_id = s.source_id OFFSET 0) b
     WHERE b.source_platform = $2 AND b.source_account_id = $3 AND b.livemode = $4 AND b.deleted_at IS NULL
     ORDER BY array_position(
                  ARRAY ['active', 'trialing', 'past_due', 'paused', 'pending', 'canceled', 'expired'], b.status),
              b.access_until DESC NULLS LAST, b.source_id
     LIMIT 1) best ON true
 CROSS JOIN LATERAL (
    SELECT max(p.occurred_at) FILTER (WHERE p.kind = 'payment' AND p.status = 'succeeded') AS last_at,
           coalesce(bool_or(p.gives_access), false) AS known, bool_or(p.lifetime) AS lifetime, max(p.access_until) AS until,
           (array_agg(p.plan_source_id ORDER BY p.lifetime DESC, p.access_until DESC, p.amount_minor DESC, p.source_id)
               FILTER (WHERE p.gives_access))[1] AS plan_source_id
      FROM (SELECT * FROM transactions WHERE tenant_id = $1 AND member_source_id = s.source_id OFFSET 0) p
     WHERE p.source_platform = $2 AND p.source_account_id = $3 AND p.livemode = $4 AND p.deleted_at IS NULL) t
