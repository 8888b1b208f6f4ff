-- How many items of the subscriptions $5 are no longer among those shown, $6, or are worth something else than
-- their open line of history says; and how many that live have no such line. OFFSET 0: see derive_members_of.sql.
SELECT count(*) FILTER (WHERE i.deleted_at IS NULL AND (i.source_id <> ALL (coalesce($6::text[], '{}')))
                           OR h.item_source_id IS NOT NULL AND (gone.gone OR
                              (h.plan_source_id, h.quantity, h.status, h.native_status, h.currency, h.member_source_id,
                               h.mrr_numerator * w.denominator)
                              IS DISTINCT FROM (i.plan_source_id, i.quantity, s.status, s.native_status, i.currency, s.member_source_id,
                               w.numerator * h.mrr_denominator))),
       count(*) FILTER (WHERE h.item_source_id IS NULL AND NOT gone.gone)
  FROM unnest((SELECT $5::text[])) AS wanted (id)
 CROSS JOIN LATERAL (
    SELECT s.source_id, s.member_source_id, s.status, s.native_status, s.deleted_at FROM subscriptions s
     WHERE s.tenant_id = $1 AND s.source_platform = $2 AND s.source_account_id = $3 AND s.livemode = $4
       AND s.source_id = wanted.id OFFSET 0) s
 CROSS JOIN LATERAL (
    SELECT * FROM subscription_items WHERE tenant_id = $1 AND subscription_source_id = s.source_id OFFSET 0) i
  LEFT JOIN (VALUES ('day', 365, 12), ('week', 52, 12), ('month', 1, 1), ('year', 1, 12)) AS f (unit, times, per)
    ON f.unit = i.interval_unit
 CROSS JOIN LATERAL (
    SELECT coalesce(i.unit_amount_decimal, i.unit_amount_minor) * coalesce(i.quantity, 1) * f.times AS numerator,
           coalesce(i.interval_count, 1) * coalesce(f.per, 1) AS denominator) w
 CROSS JOIN LATERAL (SELECT i.deleted_at IS NOT NULL OR s.deleted_at IS NOT NULL AS gone) gone
  LEFT JOIN LATERAL (
    SELECT * FROM subscription_item_history
     WHERE tenant_id = $1 AND source_platform = $2 AND source_account_id = $3 AND livemode = $4
       AND subscription_source_id = s.source_id AND item_source_id = i.source_id AND valid_to IS NULL OFFSET 0) h ON true
 WHERE i.source_platform = $2 AND i.source_account_id = $3 AND i.livemode = $4
