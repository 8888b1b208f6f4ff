-- Gives the refunds and disputes $5 (NULL: all) the member, invoice and subscription of their payment.
UPDATE transactions t
   SET member_source_id = coalesce(p.member_source_id, t.member_source_id),
       invoice_source_id = coalesce(p.invoice_source_id, t.invoice_source_id),
       subscription_source_id = coalesce(p.subscription_source_id, t.subscription_source_id)
  FROM transactions p
 WHERE t.tenant_id = $1 AND t.source_platform = $2 AND t.source_account_id = $3 AND t.livemode = $4
   AND t.kind NOT IN ('payment', 'grant') AND ($5::text[] IS NULL OR t.source_id = ANY ($5))
   AND p.tenant_id = $1 AND p.source_platform = $2 AND p.source_account_id = $3 AND p.livemode = $4
   AND p.source_id = t.parent_source_id AND p.kind = 'payment'
   AND (t.member_source_id, t.invoice_source_id, t.subscription_source_id) IS DISTINCT FROM
       (coalesce(p.member_source_id, t.member_source_id), coalesce(p.invoice_source_id, t.invoice_source_id),
        coalesce(p.subscription_source_id, t.subscription_source_id))
