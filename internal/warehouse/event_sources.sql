-- Whose records of the mode $2 the tenant $1 has transactions or invoices of. Each is found by skipping to the next in
-- the key: there are few, and many rows of each.
WITH RECURSIVE taker AS (
    (SELECT source_platform, source_account_id, livemode FROM transactions WHERE tenant_id = $1
      ORDER BY source_platform, source_account_id, livemode LIMIT 1)
    UNION ALL
    SELECT n.source_platform, n.source_account_id, n.livemode
      FROM taker s
     CROSS JOIN LATERAL (
        SELECT t.source_platform, t.source_account_id, t.livemode FROM transactions t
         WHERE t.tenant_id = $1 AND (t.source_platform, t.source_account_id, t.livemode) > (s.source_platform, s.source_account_id, s.livemode)
         ORDER BY t.source_platform, t.source_account_id, t.livemode LIMIT 1) n
), biller AS (
    (SELECT source_platform, source_account_id, livemode FROM invoices WHERE tenant_id = $1
      ORDER BY source_platform, source_account_id, livemode LIMIT 1)
    UNION ALL
    SELECT n.source_platform, n.source_account_id, n.livemode
      FROM biller s
     CROSS JOIN LATERAL (
        SELECT t.source_platform, t.source_account_id, t.livemode FROM invoices t
         WHERE t.tenant_id = $1 AND (t.source_platform, t.source_account_id, t.livemode) > (s.source_platform, s.source_account_id, s.livemode)
         ORDER BY t.source_platform, t.source_account_id, t.livemode LIMIT 1) n
)
SELECT source_platform, source_account_id, livemode FROM taker WHERE livemode = $2
 UNION
SELECT source_platform, source_account_id, livemode FROM biller WHERE livemode = $2
 ORDER BY 1, 2
