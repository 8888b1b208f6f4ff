-- One person_id for the members of the tenant $1 whom ids prove to be one: a member who bears the id that another
-- platform gave to a member, or has a subscription of that one or tells of a payment of its. It is made of the least of the members'
-- names, so that it comes out the same whenever it is made. An id that more than twenty members bear proves nothing.
WITH RECURSIVE person AS (
    SELECT concat_ws('|', source_platform, source_account_id, livemode, source_id) AS node, source_platform, source_account_id, livemode, source_id, foreign_ids
      FROM members WHERE tenant_id = $1 AND deleted_at IS NULL
), bears AS (
    SELECT m.node, m.source_platform, m.livemode, f.id FROM person m CROSS JOIN LATERAL jsonb_array_elements_text(m.foreign_ids) AS f (id)
), agreed AS (
    SELECT m.node, m.source_platform, m.livemode, s.foreign_id AS id
      FROM subscriptions s
      JOIN person m ON (m.source_platform, m.source_account_id, m.livemode, m.source_id) = (s.source_platform, s.source_account_id, s.livemode, s.member_source_id)
     WHERE s.tenant_id = $1 AND s.foreign_id IS NOT NULL AND s.deleted_at IS NULL AND s.test IS NOT TRUE
), paid AS (
    SELECT DISTINCT m.node, m.livemode, t.event_platform, t.event_account_id, t.event_source_id
      FROM transactions t
      JOIN person m ON (m.source_platform, m.source_account_id, m.livemode, m.source_id) = (t.source_platform, t.source_account_id, t.livemode, t.member_source_id)
     WHERE t.tenant_id = $1 AND t.kind = 'payment' AND t.event_source_id IS NOT NULL AND t.deleted_at IS NULL
), evidence AS (
    SELECT b.node AS a, m.node AS b FROM bears b JOIN person m ON m.source_id = b.id AND m.livemode = b.livemode AND m.source_platform <> b.source_platform
    UNION
    SELECT b.node, m.node
      FROM agreed b
      JOIN subscriptions s ON s.tenant_id = $1 AND s.source_id = b.id AND s.livemode = b.livemode AND s.source_platform <> b.source_platform
      JOIN person m ON (m.source_platform, m.source_account_id, m.livemode, m.source_id) = (s.source_platform, s.source_account_id, s.livemode, s.member_source_id)
    UNION
    SELECT b.node, m.node
      FROM paid b
      JOIN (SELECT source_platform, source_account_id, livemode, member_source_id, source_id FROM transactions WHERE tenant_id = $1 AND kind = 'payment'
            UNION ALL
            SELECT source_platform, source_account_id, livemode, member_source_id, source_id FROM invoices WHERE tenant_id = $1) s
        ON (s.source_platform, s.source_account_id, s.livemode, s.source_id) = (b.event_platform, b.event_account_id, b.livemode, b.event_source_id)
      JOIN person m ON (m.source_platform, m.source_account_id, m.livemode, m.source_id) = (s.source_platform, s.source_account_id, s.livemode, s.member_source_id)
), proof AS (
    SELECT a, b FROM (SELECT a, b, count(*) OVER (PARTITION BY b) AS bearers FROM evidence) e WHERE bearers <= 20
), edge AS (
    SELECT a, b FROM proof UNION ALL SELECT b, a FROM proof
), walk AS (
    SELECT DISTINCT a AS node, a AS root FROM edge
    UNION
    SELECT e.b, w.root FROM walk w JOIN edge e ON e.a = w.node
), found AS (
    SELECT p.source_platform, p.source_account_id, p.livemode, p.source_id, md5(min(w.root COLLATE "C"))::uuid AS person_id
      FROM walk w JOIN person p USING (node) GROUP BY 1, 2, 3, 4
)
UPDATE members m
   SET person_id = f.person_id
  FROM members k
  LEFT JOIN found f USING (source_platform, source_account_id, livemode, source_id)
 WHERE k.tenant_id = $1 AND m.tenant_id = $1
   AND (m.source_platform, m.source_account_id, m.livemode, m.source_id) = (k.source_platform, k.source_account_id, k.livemode, k.source_id)
   AND m.person_id IS DISTINCT FROM f.person_id
