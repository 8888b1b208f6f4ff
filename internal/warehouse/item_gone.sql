-- Buries the items that the subscriptions $5 no longer show; $6 is the items they do show.
UPDATE subscription_items i
   SET deleted_at = s.observed_at, delete_reason = 'missing', synced_at = memberintel_now(),
       observed_at = s.observed_at, observed_until = s.observed_until
  FROM subscriptions s
 WHERE s.tenant_id = $1 AND s.source_platform = $2 AND s.source_account_id = $3 AND s.livemode = $4
   AND s.source_id = ANY ($5::text[])
   AND i.tenant_id = $1 AND i.source_platform = $2 AND i.source_account_id = $3 AND i.livemode = $4
   AND i.subscription_source_id = s.source_id
   AND i.deleted_at IS NULL AND i.source_id <> ALL (coalesce($6::text[], '{}'))
