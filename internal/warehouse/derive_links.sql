-- Gives the payments $5 (NULL: all) the invoice that they paid and its subscription, where the source says
-- so in another record: an allocation, or the older shape of an invoice. A link that was found stays.
UPDATE transactions t
   SET invoice_source_id = l.invoice_source_id, subscription_source_id = l.subscription_source_id
  FROM (
    SELECT p.source_id, link.invoice_source_id,
           coalesce(i.subscription_source_id, p.subscription_source_id) AS subscription_source_id
      FROM transactions p
      CROSS JOIN LATERAL (
        SELECT coalesce(
            (SELECT min(a.invoice_source_id) FROM payment_allocations a
              WHERE a.tenant_id = $1 AND a.source_platform = $2 AND a.source_account_id = $3 AND a.livemode = $4
                AND a.status = 'paid' AND a.deleted_at IS NULL AND a.payment_source_id = p.source_id),
            (SELECT min(a.invoice_source_id) FROM payment_allocations a
              WHERE a.tenant_id = $1 AND a.source_platform = $2 AND a.source_account_id = $3 AND a.livemode = $4
                AND a.deleted_at IS NULL AND a.intent_source_id = p.intent_source_id),
            p.invoice_source_id,
            (SELECT min(i.source_id) FROM invoices i
              WHERE i.tenant_id = $1 AND i.source_platform = $2 AND i.source_account_id = $3 AND i.livemode = $4
                AND i.payment_source_id = p.source_id),
            (SELECT min(i.source_id) FROM invoices i
              WHERE i.tenant_id = $1 AND i.source_platform = $2 AND i.source_account_id = $3 AND i.livemode = $4
                AND i.intent_source_id = p.intent_source_id)) AS invoice_source_id) link
      LEFT JOIN invoices i
        ON i.tenant_id = $1 AND i.source_platform = $2 AND i.source_account_id = $3 AND i.livemode = $4
       AND i.source_id = link.invoice_source_id
     WHERE p.tenant_id = $1 AND p.source_platform = $2 AND p.source_account_id = $3 AND p.livemode = $4
       AND p.kind = 'payment' AND ($5::text[] IS NULL OR p.source_id = ANY ($5))
  ) AS l
 WHERE t.tenant_id = $1 AND t.source_platform = $2 AND t.source_account_id = $3 AND t.livemode = $4
   AND t.source_id = l.source_id AND t.kind = 'payment'
   AND (t.invoice_source_id, t.subscription_source_id)
       IS DISTINCT FROM (l.invoice_source_id, l.subscription_source_id)
