-- The payments that may tell of the same money as another platform's records with the names $5, which those bear or are
-- borne by; the source's own of the ids $6, and those of its orders $7. With each the name under which another platform
-- may know it.
WITH told AS (
    SELECT source_platform, source_account_id, source_id FROM transactions
     WHERE tenant_id = $1 AND foreign_id = ANY ($5::text[]) AND livemode = $4 AND kind = 'payment'
    UNION
    SELECT source_platform, source_account_id, source_id FROM transactions
     WHERE tenant_id = $1 AND event_source_id = ANY ($5::text[]) AND livemode = $4 AND kind = 'payment'
    UNION
    SELECT t.source_platform, t.source_account_id, t.source_id
      FROM orders o
      JOIN transactions t ON t.tenant_id = $1 AND t.order_source_id = o.source_id AND t.source_platform = o.source_platform
       AND t.source_account_id = o.source_account_id AND t.livemode = o.livemode AND t.kind = 'payment'
     WHERE o.tenant_id = $1 AND o.foreign_id = ANY ($5::text[]) AND o.livemode = $4
    UNION
    SELECT x.source_platform, x.source_account_id, t.source_id
      FROM unnest($8::text[], $9::text[]) AS x (source_platform, source_account_id)
      JOIN transactions t ON t.tenant_id = $1 AND t.source_platform = x.source_platform AND t.source_account_id = x.source_account_id
       AND t.livemode = $4 AND t.source_id = ANY ($10::text[]) AND t.kind = 'payment'
    UNION
    SELECT source_platform, source_account_id, source_id FROM transactions
     WHERE tenant_id = $1 AND source_platform = $2 AND source_account_id = $3 AND livemode = $4 AND source_id = ANY ($6::text[]) AND kind = 'payment'
    UNION
    SELECT source_platform, source_account_id, source_id FROM transactions
     WHERE tenant_id = $1 AND source_platform = $2 AND source_account_id = $3 AND livemode = $4 AND order_source_id = ANY ($7::text[]) AND kind = 'payment'
)
SELECT k.source_platform, k.source_account_id, k.source_id, coalesce(t.foreign_id, o.foreign_id)
  FROM told k
  JOIN transactions t ON t.tenant_id = $1 AND t.source_platform = k.source_platform AND t.source_account_id = k.source_account_id
   AND t.livemode = $4 AND t.source_id = k.source_id AND t.kind = 'payment'
  LEFT JOIN orders o ON o.tenant_id = $1 AND o.source_platform = k.source_platform AND o.source_account_id = k.source_account_id
   AND o.livemode = $4 AND o.source_id = t.order_source_id AND o.deleted_at IS NULL
 ORDER BY 1, 2, 3
