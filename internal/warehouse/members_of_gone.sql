-- Whose the subscriptions $5 and the transactions $6 are.
SELECT DISTINCT member_source_id FROM (
    SELECT member_source_id FROM subscriptions
     WHERE tenant_id = $1 AND source_platform = $2 AND source_account_id = $3 AND livemode = $4 AND source_id = ANY ($5::text[])
    UNION ALL
    SELECT member_source_id FROM transactions
     WHERE tenant_id = $1 AND source_platform = $2 AND source_account_id = $3 AND livemode = $4 AND source_id = ANY ($6::text[])
) AS m WHERE member_source_id IS NOT NULL
