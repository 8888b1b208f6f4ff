-- Opens the history of the items of the subscriptions $5 that have no open line, where none is to be closed:
-- the rule of item_history.sql. OFFSET 0: see derive_members_of.sql.
INSERT INTO subscription_item_history
    (tenant_id, source_platform, source_account_id, livemode, item_source_id, subscription_source_id,
     member_source_id, plan_source_id, quantity, status, native_status, valid_from,
     mrr_numerator, mrr_denominator, currency, cause)
SELECT $1::uuid, $2::text, $3::text, $4::boolean, i.source_id, s.source_id,
       s.member_source_id, i.plan_source_id, i.quantity, s.status, s.native_status, s.observed_at,
       coalesce(i.unit_amount_decimal, i.unit_amount_minor) * coalesce(i.quantity, 1) * f.times,
       coalesce(i.interval_count, 1) * coalesce(f.per, 1), i.currency,
       CASE WHEN known.any_item THEN 'added' ELSE 'first_seen' END
  FROM unnest((SELECT $5::text[])) AS wanted (id)
 CROSS JOIN LATERAL (
    SELECT s.source_id, s.member_source_id, s.status, s.native_status, s.deleted_at, s.observed_at FROM subscriptions s
     WHERE s.tenant_id = $1 AND s.source_platform = $2 AND s.source_account_id = $3 AND s.livemode = $4
       AND s.source_id = wanted.id OFFSET 0) s
 CROSS JOIN LATERAL (
    SELECT * FROM subscription_items WHERE tenant_id = $1 AND subscription_source_id = s.source_id OFFSET 0) i
  LEFT JOIN (VALUES ('day', 365, 12), ('week', 52, 12), ('month', 1, 1), ('year', 1, 12)) AS f (unit, times, per)
    ON f.unit = i.interval_unit
  LEFT JOIN LATERAL (
    SELECT true AS open FROM subscription_item_history
     WHERE tenant_id = $1 AND source_platform = $2 AND source_account_id = $3 AND livemode = $4
       AND subscription_source_id = s.source_id AND item_source_id = i.source_id AND valid_to IS NULL OFFSET 0) h ON true
 CROSS JOIN LATERAL (
    SELECT count(*) > 0 AS any_item
      FROM (SELECT source_platform, source_account_id, livemode FROM subscription_item_history
             WHERE tenant_id = $1 AND subscription_source_id = s.source_id OFFSET 0) k
     WHERE k.source_platform = $2 AND k.source_account_id = $3 AND k.livemode = $4) known
 WHERE i.source_platform = $2 AND i.source_account_id = $3 AND i.livemode = $4
   AND i.deleted_at IS NULL AND s.deleted_at IS NULL AND h.open IS NULL
