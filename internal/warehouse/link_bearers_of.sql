-- What the list of who bears which id of another platform has too many or too few, of the members $2 to $5 (platform, account,
-- mode, id).
WITH touched AS (
    SELECT DISTINCT * FROM unnest($2::text[], $3::text[], $4::boolean[], $5::text[]) AS t (platform, account, livemode, id)
), bears AS (
    SELECT DISTINCT t.platform, t.account, t.livemode, t.id, f.id AS foreign_id
      FROM touched t
     CROSS JOIN LATERAL (
        SELECT * FROM members
         WHERE tenant_id = $1 AND source_platform = t.platform AND source_account_id = t.account AND livemode = t.livemode AND source_id = t.id OFFSET 0) m
     CROSS JOIN LATERAL jsonb_array_elements_text(m.foreign_ids) AS f (id)
     WHERE m.deleted_at IS NULL
), listed AS (
    SELECT t.platform, t.account, t.livemode, t.id, k.foreign_id
      FROM touched t
     CROSS JOIN LATERAL (
        SELECT * FROM member_foreign_id
         WHERE tenant_id = $1 AND source_platform = t.platform AND source_account_id = t.account AND livemode = t.livemode AND source_id = t.id OFFSET 0) k
)
SELECT platform, account, livemode, id, foreign_id, b IS NULL
  FROM bears b FULL JOIN listed k USING (platform, account, livemode, id, foreign_id)
 WHERE b IS NULL OR k IS NULL
 ORDER BY 1, 2, 3, 4, 5
