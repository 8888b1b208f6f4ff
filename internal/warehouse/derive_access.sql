-- Until when the subscriptions of the members $5 (NULL: all), and those of nobody, give access, and what their status
-- is, where the source leaves that to their transactions. access_until is null where one of them lasts for life. One
-- that the source calls active is past due when the last attempt to pay failed, for as long as there is access or a
-- platform may try again, which none does for more than 60 days; in trial until the trial ends; and expired
-- when its access has ended or nobody paid. status_until is when that changes by the clock.
UPDATE subscriptions t
   SET access_until = d.access_until, status = d.status, status_until = d.status_until
  FROM (
    SELECT s.source_id, s.status AS was, CASE WHEN NOT a.lifetime THEN a.until END AS access_until, now.status,
           CASE WHEN live.is IS NOT TRUE THEN NULL WHEN now.status = 'past_due' THEN due.until WHEN now.status = 'trialing' THEN s.trial_end
                WHEN now.status = 'active' AND NOT a.lifetime THEN a.until END AS status_until
      FROM subscriptions s
     CROSS JOIN LATERAL (
        SELECT coalesce(bool_or(p.lifetime) FILTER (WHERE p.gives_access), false) AS lifetime,
               max(p.access_until) FILTER (WHERE p.gives_access) AS until,
               coalesce((array_agg(p.status ORDER BY p.occurred_at DESC NULLS LAST, length(p.source_id) DESC, p.source_id DESC)
                   FILTER (WHERE p.kind = 'payment' AND p.status <> 'pending'))[1] = 'failed', false) AS failed,
               max(p.occurred_at) FILTER (WHERE p.kind = 'payment' AND p.status = 'failed') AS failed_at
          FROM (SELECT * FROM transactions WHERE tenant_id = $1 AND subscription_source_id = s.source_id AND links_told OFFSET 0) p
         WHERE p.source_platform = $2 AND p.source_account_id = $3 AND p.livemode = $4
           AND p.deleted_at IS NULL) a
     CROSS JOIN LATERAL (SELECT s.deleted_at IS NULL AND s.told_status = 'active' AS is) live
     CROSS JOIN LATERAL (SELECT greatest(a.until, a.failed_at + interval '60 days') AS until) due
     CROSS JOIN LATERAL (
        SELECT CASE WHEN live.is IS NOT TRUE THEN coalesce(s.told_status, s.status)
                    WHEN a.failed AND due.until > memberintel_now() THEN 'past_due'
                    WHEN s.trial_end > memberintel_now() THEN 'trialing'
                    WHEN NOT a.lifetime AND (a.failed OR a.until <= memberintel_now()) THEN 'expired'
                    ELSE 'active' END AS status) now
     WHERE s.tenant_id = $1 AND s.source_platform = $2 AND s.source_account_id = $3 AND s.livemode = $4 AND s.access_derived
       AND ($5::text[] IS NULL OR s.member_source_id = ANY ($5) OR s.member_source_id IS NULL)
  ) AS d
 WHERE t.tenant_id = $1 AND t.source_platform = $2 AND t.source_account_id = $3 AND t.livemode = $4
   AND t.source_id = d.source_id
   AND (t.access_until, t.status, t.status_until) IS DISTINCT FROM (d.access_until, d.status, d.status_until)
