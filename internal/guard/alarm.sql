-- What operators are to hear, once a period each. The cap is also reached when another call as dear as the day's dearest
-- would not fit.
INSERT INTO budget_alarm (alarm, subject, starts_on, detail)
SELECT 'spend', s.period || ' ' || t.percent, s.starts_on,
       format('%s%% of the cap of the %s: $%s of $%s spent or promised', t.percent, s.period,
              round((s.reserved + s.settled + s.overrun) / 1000000.0, 2), round(s.cap / 1000000.0, 2))
  FROM spend_total s
 CROSS JOIN (VALUES (50), (80), (100)) AS t (percent)
 WHERE (s.period, s.starts_on) IN (('day', (memberintel_now() AT TIME ZONE 'UTC')::date),
                                   ('month', date_trunc('month', memberintel_now() AT TIME ZONE 'UTC')::date))
   AND s.reserved + s.settled + s.overrun
       + CASE t.percent WHEN 100 THEN coalesce((SELECT max(c.reserved) FROM llm_call c WHERE c.day = (memberintel_now() AT TIME ZONE 'UTC')::date), 0) ELSE 0 END
       >= s.cap::numeric * t.percent / 100
   AND s.reserved + s.settled + s.overrun > 0
UNION ALL
SELECT 'unsettled', 'calls', (memberintel_now() AT TIME ZONE 'UTC')::date,
       format('%s calls to Claude are open for more than an hour although nobody waits for their answers', count(*))
  FROM llm_call
 WHERE status = 'reserved' AND created_at < memberintel_now() - interval '1 hour' AND expires_at < memberintel_now()
HAVING count(*) > 0
UNION ALL
SELECT 'unanswered', 'batches', day,
       format('%s questions of %s in batches got no answer that could be read and are paid for in full', count(*), day)
  FROM llm_call
 WHERE status = 'unknown' AND batch AND day > (memberintel_now() AT TIME ZONE 'UTC')::date - 7
 GROUP BY day
UNION ALL
SELECT 'skip_rate', 'website', date_trunc('week', memberintel_now() AT TIME ZONE 'UTC')::date,
       format('of %s readings of websites in 7 days only %s %% were unchanged and cost nothing', count(*), round(100.0 * count(*) FILTER (WHERE gate = 'unchanged') / count(*)))
  FROM fetch_snapshot
 WHERE fetched_at > memberintel_now() - interval '7 days' AND gate IN ('unchanged', 'changed')
HAVING count(*) >= 20 AND count(*) FILTER (WHERE gate = 'unchanged') * 2 < count(*)
UNION ALL
SELECT 'price', p.model, date_trunc('month', memberintel_now() AT TIME ZONE 'UTC')::date,
       format('the prices of %s were checked on %s, more than %s days ago; compare `memberintel price list` with %s, and enter what holds today: '
              '`memberintel price set %s --input DOLLARS --output DOLLARS --source URL`', p.model, p.checked_on, $1::integer, p.source, p.model)
  FROM (SELECT DISTINCT ON (model) model, checked_on, source FROM llm_price ORDER BY model, checked_on DESC) AS p
 WHERE p.checked_on < (memberintel_now() AT TIME ZONE 'UTC')::date - $1::integer
   AND EXISTS (SELECT FROM llm_call c WHERE c.model = p.model AND c.day > (memberintel_now() AT TIME ZONE 'UTC')::date - 31)
ON CONFLICT DO NOTHING
RETURNING alarm, subject, detail, raised_at
