-- Which refund of another platform counts for the refunds of the payments $5 (NULL: all): one of the payment that counts for the payment
-- which was refunded, the earliest that did not fail. Where the other platform knows of none, the money went back in
-- some other way, and the row counts itself.
UPDATE transactions t
   SET event_platform = d.event_platform, event_account_id = d.event_account_id, event_source_id = d.event, event_evidence = d.event_evidence
  FROM (
    SELECT r.source_id, e.event_platform, e.event_account_id, e.event, e.event_evidence
      FROM transactions r
      LEFT JOIN LATERAL (
        SELECT p.event_platform, p.event_account_id, p.event_evidence, c.source_id AS event
          FROM (SELECT * FROM transactions
                 WHERE tenant_id = $1 AND source_platform = $2 AND source_account_id = $3 AND livemode = $4
                   AND source_id = r.parent_source_id AND kind = 'payment' OFFSET 0) p
         CROSS JOIN LATERAL (
            SELECT * FROM transactions WHERE tenant_id = $1 AND parent_source_id = p.event_source_id OFFSET 0) c
         WHERE p.deleted_at IS NULL AND c.source_platform = p.event_platform AND c.source_account_id = p.event_account_id AND c.livemode = $4
           AND c.kind = 'refund' AND c.deleted_at IS NULL AND c.status NOT IN ('failed', 'canceled')
         ORDER BY c.occurred_at, c.source_id
         LIMIT 1) e ON true
     WHERE r.tenant_id = $1 AND r.source_platform = $2 AND r.source_account_id = $3 AND r.livemode = $4
       AND r.kind = 'refund' AND r.deleted_at IS NULL AND ($5::text[] IS NULL OR r.parent_source_id = ANY ($5))
  ) AS d
 WHERE t.tenant_id = $1 AND t.source_platform = $2 AND t.source_account_id = $3 AND t.livemode = $4
   AND t.source_id = d.source_id AND t.kind = 'refund'
   AND (t.event_platform, t.event_account_id, t.event_source_id, t.event_evidence) IS DISTINCT FROM
       (d.event_platform, d.event_account_id, d.event, d.event_evidence)
