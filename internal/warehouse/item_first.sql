-- Opens the history of the items of the subscriptions $5 that live and have no open line, and counts the items that
-- are no longer among those shown, $6, or are worth something else than their open line says: those are for
-- item_gone.sql and item_history.sql, whose rule this is. OFFSET 0: see derive_members_of.sql.
WITH item AS (
    SELECT i.source_id, s.source_id AS subscription_source_id, s.member_source_id, i.plan_source_id, i.quantity, s.status,
           s.native_status, i.currency, s.observed_at, w.numerator, w.denominator, i.deleted_at IS NOT NULL AS deleted, gone.gone,
           h.item_source_id IS NOT NULL AS open,
           (h.plan_source_id, h.quantity, h.status, h.native_status, h.currency, h.member_source_id, h.mrr_numerator * w.denominator)
           IS DISTINCT FROM (i.plan_source_id, i.quantity, s.status, s.native_status, i.currency, s.member_source_id,
                             w.numerator * h.mrr_denominator) AS differs
      FROM unnest((SELECT $5::text[])) AS wanted (id)
     CROSS JOIN LATERAL (
        SELECT s.source_id, s.member_source_id, s.status, s.native_status, s.deleted_at, s.observed_at FROM subscriptions s
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
           AND item_source_id = i.source_id AND valid_to IS NULL OFFSET 0) h ON true
     WHERE i.source_platform = $2 AND i.source_account_id = $3 AND i.livemode = $4
), opened AS (
    INSERT INTO subscription_item_history
        (tenant_id, source_platform, source_account_id, livemode, item_source_id, subscription_source_id,
         member_source_id, plan_source_id, quantity, status, native_status, valid_from,
         mrr_numerator, mrr_denominator, currency, cause)
    SELECT $1::uuid, $2::text, $3::text, $4::boolean, i.source_id, i.subscription_source_id,
           i.member_source_id, i.plan_source_id, i.quantity, i.status, i.native_status, i.observed_at,
           i.numerator, i.denominator, i.currency, CASE WHEN known.any_item THEN 'added' ELSE 'first_seen' END
      FROM item i
     CROSS JOIN LATERAL (
        SELECT count(*) > 0 AS any_item
          FROM (SELECT source_platform, source_account_id, livemode FROM subscription_item_history
                 WHERE tenant_id = $1 AND subscription_source_id = i.subscription_source_id OFFSET 0) k
         WHERE k.source_platform = $2 AND k.source_account_id = $3 AND k.livemode = $4) known
     WHERE NOT i.open AND NOT i.gone AND i.source_id = ANY (coalesce($6::text[], '{}'))
)
SELECT count(*) FROM item
 WHERE NOT deleted AND source_id <> ALL (coalesce($6::text[], '{}')) OR open AND (gone OR differs)
