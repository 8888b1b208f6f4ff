-- Opens the history of the items of subscriptions that nothing was known of: the rule of item_history.sql. An item
-- that was known elsewhere is left out of what is returned.
INSERT INTO subscription_item_history
    (tenant_id, source_platform, source_account_id, livemode, item_source_id, subscription_source_id,
     member_source_id, plan_source_id, quantity, status, native_status, valid_from,
     mrr_numerator, mrr_denominator, currency, cause)
SELECT $1::uuid, $2::text, $3::text, $4::boolean, i.item, i.subscription,
       i.member, i.plan, i.quantity, i.status, i.native_status, i.observed_at,
       coalesce(i.unit_decimal::numeric, i.unit_minor) * coalesce(i.quantity, 1) * f.times,
       coalesce(i.interval_count, 1) * coalesce(f.per, 1), i.currency, 'first_seen'
  FROM unnest($5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::text[], $11::text[], $12::timestamptz[],
              $13::text[], $14::bigint[], $15::text[], $16::integer[], $17::text[])
    AS i (item, subscription, member, plan, quantity, status, native_status, observed_at,
          unit_decimal, unit_minor, interval_unit, interval_count, currency)
  LEFT JOIN (VALUES ('day', 365, 12), ('week', 52, 12), ('month', 1, 1), ('year', 1, 12)) AS f (unit, times, per)
    ON f.unit = i.interval_unit
ON CONFLICT (tenant_id, source_platform, source_account_id, livemode, item_source_id) WHERE valid_to IS NULL DO NOTHING
RETURNING item_source_id
