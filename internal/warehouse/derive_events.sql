-- Which record of another platform counts for the payments $5 (NULL: all), where one tells of the same money. The
-- platforms and accounts $6 and $7 are looked at, by key: hence each OFFSET 0, since under row-level security only a
-- plain column finds its index. What counts is, in this order: the payment whose id the row or its
-- order bears; that of the intent or the invoice with it, of several one that succeeded, the latest; the invoice itself, where it
-- was paid; a payment whose metadata name the row and the site that it is of, at whichever address that was then, and the
-- platform where the site has several, each of which counts from one. Metadata without a site prove nothing unless the
-- platform's name, sum and time are right, and by metadata an attempt that failed is no payment that succeeded. Rows of a test gateway tell of no money.
UPDATE transactions t
   SET event_platform = d.source_platform, event_account_id = d.source_account_id, event_source_id = d.event, event_evidence = d.evidence
  FROM (
    SELECT p.source_id, e.source_platform, e.source_account_id, e.source_id AS event, e.evidence
      FROM transactions p
      LEFT JOIN LATERAL (
        SELECT o.foreign_id FROM orders o
         WHERE o.tenant_id = $1 AND o.source_platform = $2 AND o.source_account_id = $3 AND o.livemode = $4
           AND o.source_id = p.order_source_id AND o.deleted_at IS NULL OFFSET 0) o ON p.foreign_id IS NULL
     CROSS JOIN LATERAL (SELECT coalesce(p.foreign_id, o.foreign_id) AS id OFFSET 0) f
      LEFT JOIN LATERAL (
        SELECT c.*
          FROM (
            SELECT 1 AS rank, 'id' AS evidence, c.source_platform, c.source_account_id, c.source_id, c.status, c.occurred_at
              FROM unnest($6::text[], $7::text[]) AS x (platform, account)
             CROSS JOIN LATERAL (
                SELECT * FROM transactions c
                 WHERE c.tenant_id = $1 AND c.source_platform = x.platform AND c.source_account_id = x.account AND c.livemode = $4
                   AND c.source_id = f.id AND c.kind = 'payment' AND c.deleted_at IS NULL OFFSET 0) c
            UNION ALL
            SELECT 2, 'id', c.source_platform, c.source_account_id, c.source_id, c.status, c.occurred_at
              FROM (SELECT * FROM transactions WHERE tenant_id = $1 AND intent_source_id = f.id OFFSET 0) c
             WHERE (c.source_platform, c.source_account_id) IN (SELECT * FROM unnest($6::text[], $7::text[])) AND c.livemode = $4
               AND c.kind = 'payment' AND c.deleted_at IS NULL
            UNION ALL
            SELECT 3, 'id', c.source_platform, c.source_account_id, c.source_id, c.status, c.occurred_at
              FROM (SELECT * FROM transactions WHERE tenant_id = $1 AND invoice_source_id = f.id OFFSET 0) c
             WHERE (c.source_platform, c.source_account_id) IN (SELECT * FROM unnest($6::text[], $7::text[])) AND c.livemode = $4
               AND c.kind = 'payment' AND c.deleted_at IS NULL
            UNION ALL
            SELECT 4, 'id', i.source_platform, i.source_account_id, i.source_id, i.status, i.paid_at
              FROM unnest($6::text[], $7::text[]) AS x (platform, account)
             CROSS JOIN LATERAL (
                SELECT * FROM invoices i
                 WHERE i.tenant_id = $1 AND i.source_platform = x.platform AND i.source_account_id = x.account AND i.livemode = $4
                   AND i.source_id = f.id AND i.deleted_at IS NULL OFFSET 0) i
             WHERE i.status = 'paid'
            UNION ALL
            SELECT 5, 'metadata', c.source_platform, c.source_account_id, c.source_id, c.status, c.occurred_at
              FROM (SELECT * FROM transactions WHERE tenant_id = $1 AND origin_id = p.source_id OFFSET 0) c
             WHERE (c.source_platform, c.source_account_id) IN (SELECT * FROM unnest($6::text[], $7::text[])) AND c.livemode = $4
               AND c.kind = 'payment' AND c.deleted_at IS NULL AND coalesce(c.origin_platform, p.source_platform) = p.source_platform
               AND (c.status = 'succeeded' OR p.status <> 'succeeded')
               AND CASE WHEN c.origin_site IS NULL
                   THEN c.origin_platform = p.source_platform AND c.amount_minor = p.amount_minor AND c.currency = p.currency
                        AND c.occurred_at BETWEEN p.occurred_at - interval '48 hours' AND p.occurred_at + interval '48 hours'
                   ELSE EXISTS (
                        SELECT FROM sites s
                         WHERE s.tenant_id = $1 AND s.source_platform = $2 AND s.source_account_id = $3 AND s.livemode = $4
                           AND lower(regexp_replace(c.origin_site, '^https?://(www\.)?|/+$', '', 'g')) = ANY (s.addresses))
                    AND (c.origin_platform IS NOT NULL OR NOT EXISTS (
                        SELECT FROM sites s
                         WHERE s.tenant_id = $1 AND s.source_platform <> $2 AND s.livemode = $4
                           AND lower(regexp_replace(c.origin_site, '^https?://(www\.)?|/+$', '', 'g')) = ANY (s.addresses))) END
          ) c
         ORDER BY c.rank, c.status IS DISTINCT FROM 'succeeded', c.occurred_at DESC NULLS LAST, c.source_platform, c.source_account_id, c.source_id
         LIMIT 1) e ON p.test IS NOT TRUE
     WHERE p.tenant_id = $1 AND p.source_platform = $2 AND p.source_account_id = $3 AND p.livemode = $4
       AND p.kind = 'payment' AND p.deleted_at IS NULL AND ($5::text[] IS NULL OR p.source_id = ANY ($5))
  ) AS d
 WHERE t.tenant_id = $1 AND t.source_platform = $2 AND t.source_account_id = $3 AND t.livemode = $4
   AND t.source_id = d.source_id AND t.kind = 'payment'
   AND (t.event_platform, t.event_account_id, t.event_source_id, t.event_evidence) IS DISTINCT FROM
       (d.source_platform, d.source_account_id, d.event, d.evidence)
