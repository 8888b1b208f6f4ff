-- The payments that may tell of the same money as another platform's records with the names $5, which they or their
-- orders bear or by which they were linked, and those that metadata call $10, at the platforms and accounts $8 and $9;
-- the source's own of the ids $6, and those of its orders $7. With each the name under which another platform may know it.
-- OFFSET 0: see derive_members_of.sql. A list is looked up name by name, because a plan that was made while an index was
-- small would read all of it.
WITH shared AS (
    SELECT unnest((SELECT $5::text[])) AS id
), told AS (
    SELECT t.source_platform, t.source_account_id, t.livemode, t.source_id, t.kind
      FROM shared n CROSS JOIN LATERAL (SELECT * FROM transactions WHERE tenant_id = $1 AND foreign_id = n.id OFFSET 0) t
    UNION
    SELECT t.source_platform, t.source_account_id, t.livemode, t.source_id, t.kind
      FROM shared n CROSS JOIN LATERAL (SELECT * FROM transactions WHERE tenant_id = $1 AND event_source_id = n.id OFFSET 0) t
    UNION
    SELECT t.source_platform, t.source_account_id, t.livemode, t.source_id, t.kind
      FROM shared n
     CROSS JOIN LATERAL (SELECT * FROM orders WHERE tenant_id = $1 AND foreign_id = n.id OFFSET 0) o
     CROSS JOIN LATERAL (SELECT * FROM transactions WHERE tenant_id = $1 AND order_source_id = o.source_id OFFSET 0) t
     WHERE (t.source_platform, t.source_account_id, t.livemode) = (o.source_platform, o.source_account_id, o.livemode)
    UNION
    SELECT t.source_platform, t.source_account_id, t.livemode, t.source_id, t.kind
      FROM unnest((SELECT $7::text[])) AS n (id)
     CROSS JOIN LATERAL (SELECT * FROM transactions WHERE tenant_id = $1 AND order_source_id = n.id OFFSET 0) t
     WHERE (t.source_platform, t.source_account_id, t.livemode) = ($2, $3, $4)
    UNION
    SELECT t.source_platform, t.source_account_id, t.livemode, t.source_id, t.kind
      FROM (
        SELECT $2::text AS platform, $3::text AS account, unnest((SELECT $6::text[])) AS id
        UNION ALL
        SELECT x.platform, x.account, n.id FROM unnest($8::text[], $9::text[]) AS x (platform, account) CROSS JOIN unnest((SELECT $10::text[])) AS n (id)) n
     CROSS JOIN LATERAL (
        SELECT * FROM transactions
         WHERE tenant_id = $1 AND source_platform = n.platform AND source_account_id = n.account AND livemode = $4 AND source_id = n.id OFFSET 0) t
)
SELECT t.source_platform, t.source_account_id, t.source_id, coalesce(t.foreign_id, o.foreign_id), t.member_source_id
  FROM told k
 CROSS JOIN LATERAL (
    SELECT * FROM transactions
     WHERE tenant_id = $1 AND source_platform = k.source_platform AND source_account_id = k.source_account_id AND livemode = k.livemode
       AND source_id = k.source_id AND kind = k.kind OFFSET 0) t
  LEFT JOIN LATERAL (
    SELECT * FROM orders
     WHERE tenant_id = $1 AND source_platform = t.source_platform AND source_account_id = t.source_account_id AND livemode = t.livemode
       AND source_id = t.order_source_id AND deleted_at IS NULL OFFSET 0) o ON true
 WHERE k.kind = 'payment' AND k.livemode = $4
 ORDER BY 1, 2, 3
