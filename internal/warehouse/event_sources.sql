-- Whose records of the mode $2 the tenant $1 has transactions of. Each is found by skipping to the next in the key:
-- there are few, and many rows of each.
WITH RECURSIVE source AS (
    (SELECT source_platform, source_account_id, livemode FROM transactions WHERE tenant_id = $1
      ORDER BY source_platform, source_account_id, livemode LIMIT 1)
    UNION ALL
    SELECT n.source_platform, n.source_account_id, n.livemode
      FROM source s
     CROSS JOIN LATERAL (
        SELECT t.source_platform, t.source_account_id, t.livemode FROM transactions t
         WHERE t.tenant_id = $1 AND (t.source_platform, t.source_account_id, t.livemode) > (s.source_platform, s.source_account_id, s.livemode)
         ORDER BY t.source_platform, t.source_account_id, t.livemode LIMIT 1) n
)
SELECT source_platform, source_account_id, livemode FROM source WHERE livemode = $2
