-- Those of $5 (NULL: whoever a record of the source names) who are no member, not even a deleted one.
SELECT DISTINCT named.id
  FROM (
    SELECT unnest($5::text[]) AS id
    UNION ALL
    SELECT s.member_source_id FROM subscriptions s
     WHERE $5::text[] IS NULL AND s.tenant_id = $1 AND s.source_platform = $2 AND s.source_account_id = $3 AND s.livemode = $4
    UNION ALL
    SELECT i.member_source_id FROM invoices i
     WHERE $5::text[] IS NULL AND i.tenant_id = $1 AND i.source_platform = $2 AND i.source_account_id = $3 AND i.livemode = $4
    UNION ALL
    SELECT t.member_source_id FROM transactions t
     WHERE $5::text[] IS NULL AND t.tenant_id = $1 AND t.source_platform = $2 AND t.source_account_id = $3 AND t.livemode = $4
  ) AS named
 WHERE named.id IS NOT NULL
   AND NOT EXISTS (SELECT FROM members m
                    WHERE m.tenant_id = $1 AND m.source_platform = $2 AND m.source_account_id = $3 AND m.livemode = $4
                      AND m.source_id = named.id)
