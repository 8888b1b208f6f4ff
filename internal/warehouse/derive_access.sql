-- Until when the subscriptions of the members $5 (NULL: all), and those of nobody, give access, where the source leaves that to their
-- transactions. Null where one of them lasts for life.
UPDATE subscriptions t
   SET access_until = d.access_until
  FROM (
    SELECT s.source_id,
           (SELECT CASE WHEN NOT bool_or(p.lifetime) THEN max(p.access_until) END
              FROM (SELECT * FROM transactions WHERE tenant_id = $1 AND subscription_source_id = s.source_id AND gives_access OFFSET 0) p
             WHERE p.source_platform = $2 AND p.source_account_id = $3 AND p.livemode = $4
               AND p.deleted_at IS NULL) AS access_until
      FROM subscriptions s
     WHERE s.tenant_id = $1 AND s.source_platform = $2 AND s.source_account_id = $3 AND s.livemode = $4 AND s.access_derived
       AND ($5::text[] IS NULL OR s.member_source_id = ANY ($5) OR s.member_source_id IS NULL)
  ) AS d
 WHERE t.tenant_id = $1 AND t.source_platform = $2 AND t.source_account_id = $3 AND t.livemode = $4
   AND t.source_id = d.source_id AND t.access_until IS DISTINCT FROM d.access_until
