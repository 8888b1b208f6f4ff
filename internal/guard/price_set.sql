-- Enters a price as checked today; entered again on the same day, it takes the place of the first.
INSERT INTO llm_price (model, input, output, cache_write, cache_read, tier_above, input_above, output_above, cache_write_above, cache_read_above,
                       batch_percent, source, checked_on)
VALUES ($1, $2, $3, $4, $5, nullif($6::bigint, 0), $7, $8, $9, $10, $11, $12, (memberintel_now() AT TIME ZONE 'UTC')::date)
    ON CONFLICT (model, checked_on) DO UPDATE
   SET input = excluded.input, output = excluded.output, cache_write = excluded.cache_write, cache_read = excluded.cache_read,
       tier_above = excluded.tier_above, input_above = excluded.input_above, output_above = excluded.output_above,
       cache_write_above = excluded.cache_write_above, cache_read_above = excluded.cache_read_above,
       batch_percent = excluded.batch_percent, source = excluded.source
