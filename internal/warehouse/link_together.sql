-- The members $2 to $5 (platform, account, mode, id), whom they are one person with so far, and the members of other platforms whose ids
-- the platforms $6 (account $7, mode $8, id $9) say that somebody bore.
WITH RECURSIVE source AS (
    (SELECT source_platform, source_account_id, livemode FROM members WHERE tenant_id = $1
      ORDER BY source_platform, source_account_id, livemode LIMIT 1)
    UNION ALL
    SELECT n.source_platform, n.source_account_id, n.livemode
      FROM source s
     CROSS JOIN LATERAL (
        SELECT m.source_platform, m.source_account_id, m.livemode FROM members m
         WHERE m.tenant_id = $1 AND (m.source_platform, m.source_account_id, m.livemode) > (s.source_platform, s.source_account_id, s.livemode)
         ORDER BY m.source_platform, m.source_account_id, m.livemode LIMIT 1) n
), touched AS (
    SELECT * FROM unnest($2::text[], $3::text[], $4::boolean[], $5::text[]) AS t (platform, account, livemode, id)
    UNION
    SELECT s.source_platform, s.source_account_id, s.livemode, f.id
      FROM unnest($6::text[], $7::text[], $8::boolean[], $9::text[]) AS f (platform, account, livemode, id)
      JOIN source s ON s.source_platform <> f.platform AND s.livemode = f.livemode
), known AS (
    SELECT m.source_platform, m.source_account_id, m.livemode, m.source_id, m.person_id
      FROM touched t
     CROSS JOIN LATERAL (
        SELECT * FROM members
         WHERE tenant_id = $1 AND source_platform = t.platform AND source_account_id = t.account AND livemode = t.livemode AND source_id = t.id OFFSET 0) m
)
SELECT source_platform, source_account_id, livemode, source_id, person_id FROM known
UNION
SELECT m.source_platform, m.source_account_id, m.livemode, m.source_id, m.person_id
  FROM (SELECT DISTINCT person_id FROM known WHERE person_id IS NOT NULL) k
 CROSS JOIN LATERAL (SELECT * FROM members WHERE tenant_id = $1 AND person_id = k.person_id OFFSET 0) m
