-- Appends to the history what changed in the worth of the items of the subscriptions $5. A day is 12/365 of
-- a month's share of a year, a week 12/52: exact rationals, rounded by nobody but the reader.
WITH now_worth AS (
    SELECT i.source_id AS item, i.subscription_source_id, s.member_source_id, i.plan_source_id, i.quantity,
           s.status, s.native_status, i.currency,
           coalesce(i.unit_amount_decimal, i.unit_amount_minor) * coalesce(i.quantity, 1) * f.times AS numerator,
           coalesce(i.interval_count, 1) * coalesce(f.per, 1) AS denominator,
           i.deleted_at IS NOT NULL OR s.deleted_at IS NOT NULL AS gone,
           s.observed_at
      FROM subscriptions s
      JOIN subscription_items i
        ON i.tenant_id = $1 AND i.source_platform = $2 AND i.source_account_id = $3 AND i.livemode = $4
       AND i.subscription_source_id = s.source_id
      LEFT JOIN (VALUES ('day', 365, 12), ('week', 52, 12), ('month', 1, 1), ('year', 1, 12)) AS f (unit, times, per)
        ON f.unit = i.interval_unit
     WHERE s.tenant_id = $1 AND s.source_platform = $2 AND s.source_account_id = $3 AND s.livemode = $4
       AND s.source_id = ANY ($5::text[])
), closed AS (
    UPDATE subscription_item_history h
       SET valid_to = greatest(w.observed_at, h.valid_from)
      FROM now_worth w
     WHERE h.tenant_id = $1 AND h.source_platform = $2 AND h.source_account_id = $3 AND h.livemode = $4
       AND h.item_source_id = w.item AND h.valid_to IS NULL
       AND (w.gone OR (h.plan_source_id, h.quantity, h.status, h.native_status, h.currency, h.member_source_id,
                       h.mrr_numerator * w.denominator)
            IS DISTINCT FROM (w.plan_source_id, w.quantity, w.status, w.native_status, w.currency, w.member_source_id,
                       w.numerator * h.mrr_denominator))
    RETURNING h.item_source_id, h.plan_source_id, h.quantity, h.status, h.native_status,
              h.mrr_numerator, h.mrr_denominator
)
INSERT INTO subscription_item_history
    (tenant_id, source_platform, source_account_id, livemode, item_source_id, subscription_source_id,
     member_source_id, plan_source_id, quantity, status, native_status, valid_from,
     mrr_numerator, mrr_denominator, currency, cause)
SELECT $1::uuid, $2::text, $3::text, $4::boolean, w.item, w.subscription_source_id,
       w.member_source_id, w.plan_source_id, w.quantity, w.status, w.native_status, w.observed_at,
       w.numerator, w.denominator, w.currency,
       CASE WHEN c.item_source_id IS NULL THEN CASE WHEN known.any_item THEN 'added' ELSE 'first_seen' END
            WHEN c.plan_source_id IS DISTINCT FROM w.plan_source_id THEN 'plan'
            WHEN c.quantity IS DISTINCT FROM w.quantity THEN 'quantity'
            WHEN c.mrr_numerator * w.denominator IS DISTINCT FROM w.numerator * c.mrr_denominator THEN 'price'
            WHEN (c.status, c.native_status) IS DISTINCT FROM (w.status, w.native_status) THEN 'status'
            ELSE 'member' END
  FROM now_worth w
  LEFT JOIN closed c ON c.item_source_id = w.item
 CROSS JOIN LATERAL (SELECT EXISTS (
       SELECT FROM subscription_item_history h
        WHERE h.tenant_id = $1 AND h.source_platform = $2 AND h.source_account_id = $3 AND h.livemode = $4
          AND h.subscription_source_id = w.subscription_source_id) AS any_item) known
 WHERE NOT w.gone
   AND (c.item_source_id IS NOT NULL OR NOT EXISTS (
       SELECT FROM subscription_item_history h
        WHERE h.tenant_id = $1 AND h.source_platform = $2 AND h.source_account_id = $3 AND h.livemode = $4
          AND h.item_source_id = w.item AND h.valid_to IS NULL))
