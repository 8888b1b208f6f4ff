-- The payments, refunds and disputes that the transactions $5, invoices $6 and allocations $7 can link; and '' where the
-- tenant has transactions of another platform, which may tell of the same money.
WITH touched AS (
    SELECT t.source_id, t.parent_source_id, t.intent_source_id, t.kind
      FROM transactions t
     WHERE t.tenant_id = $1 AND t.source_platform = $2 AND t.source_account_id = $3 AND t.livemode = $4
       AND t.source_id = ANY ($5::text[])
), named AS (
    SELECT a.payment_source_id, a.intent_source_id
      FROM payment_allocations a
     WHERE a.tenant_id = $1 AND a.source_platform = $2 AND a.source_account_id = $3 AND a.livemode = $4
       AND (a.source_id = ANY ($7::text[]) OR a.invoice_source_id = ANY ($6::text[]))
    UNION ALL
    SELECT i.payment_source_id, i.intent_source_id
      FROM invoices i
     WHERE i.tenant_id = $1 AND i.source_platform = $2 AND i.source_account_id = $3 AND i.livemode = $4
       AND i.source_id = ANY ($6::text[])
), payments AS (
    SELECT source_id FROM touched
    UNION SELECT payment_source_id FROM named WHERE payment_source_id IS NOT NULL
    UNION SELECT t.source_id
            FROM named n
            JOIN transactions t ON t.tenant_id = $1 AND t.source_platform = $2 AND t.source_account_id = $3
             AND t.livemode = $4 AND t.intent_source_id = n.intent_source_id
    UNION SELECT t.source_id
            FROM transactions t
           WHERE t.tenant_id = $1 AND t.source_platform = $2 AND t.source_account_id = $3 AND t.livemode = $4
             AND t.kind = 'payment' AND t.invoice_source_id = ANY ($6::text[])
)
SELECT source_id FROM (
    SELECT source_id FROM payments
    UNION SELECT c.source_id
            FROM payments p
            JOIN transactions c ON c.tenant_id = $1 AND c.source_platform = $2 AND c.source_account_id = $3
             AND c.livemode = $4 AND c.parent_source_id = p.source_id
) AS found
UNION ALL
SELECT '' WHERE (SELECT source_platform FROM transactions WHERE tenant_id = $1 AND source_platform > $2 ORDER BY source_platform LIMIT 1) IS NOT NULL
             OR (SELECT source_platform FROM transactions WHERE tenant_id = $1 AND source_platform < $2 ORDER BY source_platform DESC LIMIT 1) IS NOT NULL
