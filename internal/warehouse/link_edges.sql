-- The evidence of link.sql that has one of the members $2 to $5 (platform, account, mode, id) at one of its ends, looked up
-- by key: hence each OFFSET 0, see derive_members_of.sql. What more than twenty bear proves nothing, so no more are looked for.
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
), person AS (
    SELECT m.source_platform AS platform, m.source_account_id AS account, m.livemode, m.source_id AS id, m.foreign_ids
      FROM unnest($2::text[], $3::text[], $4::boolean[], $5::text[]) AS t (platform, account, livemode, id)
     CROSS JOIN LATERAL (
        SELECT * FROM members
         WHERE tenant_id = $1 AND source_platform = t.platform AND source_account_id = t.account AND livemode = t.livemode AND source_id = t.id OFFSET 0) m
     WHERE m.deleted_at IS NULL
), agreed AS (
    SELECT p.platform, p.account, p.livemode, p.id, s.source_id, CASE WHEN s.deleted_at IS NULL AND s.test IS NOT TRUE THEN s.foreign_id END AS foreign_id
      FROM person p
     CROSS JOIN LATERAL (SELECT * FROM subscriptions WHERE tenant_id = $1 AND member_source_id = p.id OFFSET 0) s
     WHERE (s.source_platform, s.source_account_id, s.livemode) = (p.platform, p.account, p.livemode)
), paid AS (
    SELECT p.platform, p.account, p.livemode, p.id, t.source_id, CASE WHEN t.deleted_at IS NULL THEN t.event_platform END AS event_platform,
           t.event_account_id, t.event_source_id
      FROM person p
     CROSS JOIN LATERAL (SELECT * FROM transactions WHERE tenant_id = $1 AND member_source_id = p.id OFFSET 0) t
     WHERE (t.source_platform, t.source_account_id, t.livemode) = (p.platform, p.account, p.livemode) AND t.kind = 'payment'
), billed AS (
    SELECT platform, account, livemode, id, source_id FROM paid
    UNION ALL
    SELECT p.platform, p.account, p.livemode, p.id, i.source_id
      FROM person p
     CROSS JOIN LATERAL (SELECT * FROM invoices WHERE tenant_id = $1 AND member_source_id = p.id OFFSET 0) i
     WHERE (i.source_platform, i.source_account_id, i.livemode) = (p.platform, p.account, p.livemode)
), edge AS (
    SELECT p.platform, p.account, p.livemode, p.id, s.source_platform AS b_platform, s.source_account_id AS b_account, f.id AS b_id
      FROM person p
     CROSS JOIN LATERAL jsonb_array_elements_text(p.foreign_ids) AS f (id)
      JOIN source s ON s.source_platform <> p.platform AND s.livemode = p.livemode
    UNION
    SELECT k.source_platform, k.source_account_id, k.livemode, k.source_id, p.platform, p.account, p.id
      FROM person p
     CROSS JOIN LATERAL (
        SELECT k.* FROM (SELECT * FROM member_foreign_id WHERE tenant_id = $1 AND foreign_id = p.id OFFSET 0) k
         WHERE k.source_platform <> p.platform AND k.livemode = p.livemode LIMIT 21) k
    UNION
    SELECT a.platform, a.account, a.livemode, a.id, s.source_platform, s.source_account_id, s.member_source_id
      FROM agreed a
      JOIN source o ON o.source_platform <> a.platform AND o.livemode = a.livemode
     CROSS JOIN LATERAL (
        SELECT * FROM subscriptions
         WHERE tenant_id = $1 AND source_platform = o.source_platform AND source_account_id = o.source_account_id AND livemode = o.livemode
           AND source_id = a.foreign_id OFFSET 0) s
    UNION
    SELECT s.source_platform, s.source_account_id, s.livemode, s.member_source_id, a.platform, a.account, a.id
      FROM agreed a
     CROSS JOIN LATERAL (
        SELECT s.* FROM (SELECT * FROM subscriptions WHERE tenant_id = $1 AND foreign_id = a.source_id OFFSET 0) s
         WHERE s.source_platform <> a.platform AND s.livemode = a.livemode AND s.deleted_at IS NULL AND s.test IS NOT TRUE LIMIT 21) s
    UNION
    SELECT b.platform, b.account, b.livemode, b.id, b.event_platform, b.event_account_id, s.member_source_id
      FROM paid b
     CROSS JOIN LATERAL (
        SELECT member_source_id FROM (
            SELECT * FROM transactions
             WHERE tenant_id = $1 AND source_platform = b.event_platform AND source_account_id = b.event_account_id AND livemode = b.livemode
               AND source_id = b.event_source_id OFFSET 0) t WHERE t.kind = 'payment'
        UNION ALL
        SELECT member_source_id FROM (
            SELECT * FROM invoices
             WHERE tenant_id = $1 AND source_platform = b.event_platform AND source_account_id = b.event_account_id AND livemode = b.livemode
               AND source_id = b.event_source_id OFFSET 0) i) s
    UNION
    SELECT t.source_platform, t.source_account_id, t.livemode, t.member_source_id, b.platform, b.account, b.id
      FROM billed b
     CROSS JOIN LATERAL (
        SELECT t.* FROM (SELECT * FROM transactions WHERE tenant_id = $1 AND event_source_id = b.source_id OFFSET 0) t
         WHERE t.event_platform = b.platform AND t.event_account_id = b.account AND t.livemode = b.livemode
           AND t.kind = 'payment' AND t.deleted_at IS NULL LIMIT 21) t
)
SELECT e.platform, e.account, e.livemode, e.id, e.b_platform, e.b_account, e.b_id
  FROM edge e
 CROSS JOIN LATERAL (
    SELECT * FROM members
     WHERE tenant_id = $1 AND source_platform = e.platform AND source_account_id = e.account AND livemode = e.livemode AND source_id = e.id OFFSET 0) a
 CROSS JOIN LATERAL (
    SELECT * FROM members
     WHERE tenant_id = $1 AND source_platform = e.b_platform AND source_account_id = e.b_account AND livemode = e.livemode AND source_id = e.b_id OFFSET 0) b
 WHERE a.deleted_at IS NULL AND b.deleted_at IS NULL
