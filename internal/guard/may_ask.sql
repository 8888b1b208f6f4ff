-- What stands against an analysis of the purpose now: the plan, or that the period has had as many as it may. No row: nothing.
SELECT 'plan', week.until
  FROM tenant t, budget_period('scheduled', memberintel_now()) AS week
 WHERE t.tenant_id = $1 AND $2 = 'on_demand' AND t.plan <> 'pro'
UNION ALL
SELECT 'done', p.until
  FROM budget_period($2, memberintel_now()) AS p
 WHERE p.most <= (
    SELECT count(*) FROM analysis a
     WHERE a.tenant_id = $1 AND a.purpose = $2 AND a.period = p.name
       AND (a.ended_at IS NOT NULL OR EXISTS (
            SELECT FROM llm_call c WHERE c.analysis_id = a.analysis_id AND c.attempt = 2 AND c.status IN ('settled', 'unknown'))))
LIMIT 1
