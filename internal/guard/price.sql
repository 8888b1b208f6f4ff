-- What each model costs now, and for $1 days after it was checked without a doubt; $2 is the only model that is asked for, if any.
SELECT DISTINCT ON (p.model) p.model, p.input, p.output, p.cache_write, p.cache_read,
       coalesce(p.tier_above, 0), p.input_above, p.output_above, p.cache_write_above, p.cache_read_above,
       p.batch_percent, p.source, p.checked_on, p.checked_on < today.day - $1::integer, p.checked_on = today.day
  FROM llm_price p
 CROSS JOIN (SELECT (memberintel_now() AT TIME ZONE 'UTC')::date) AS today (day)
 WHERE p.checked_on <= today.day AND ($2 = '' OR p.model = $2)
 ORDER BY p.model, p.checked_on DESC
