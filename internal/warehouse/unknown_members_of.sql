-- Those of $5 who are no member, not even a deleted one. OFFSET 0: see derive_members_of.sql.
SELECT DISTINCT wanted.id
  FROM unnest((SELECT $5::text[])) AS wanted (id)
  LEFT JOIN LATERAL (
    SELECT true AS there FROM members m
     WHERE m.tenant_id = $1 AND m.source_platform = $2 AND m.source_account_id = $3 AND m.livemode = $4
       AND m.source_id = wanted.id OFFSET 0) m ON true
 WHERE m.there IS NULL
