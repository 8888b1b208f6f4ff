-- The accounts before and behind the connected one. Two ranges of the tables' keys, so that the connected
-- account's own rows are not read.
SELECT source_account_id, livemode, count(*)
  FROM account_rows
 WHERE tenant_id = $1 AND source_platform = $2 AND (source_account_id, livemode) < ($3::text, $4::boolean)
 GROUP BY source_account_id, livemode
UNION ALL
SELECT source_account_id, livemode, count(*)
  FROM account_rows
 WHERE tenant_id = $1 AND source_platform = $2 AND (source_account_id, livemode) > ($3::text, $4::boolean)
 GROUP BY source_account_id, livemode
 ORDER BY 1, 2
