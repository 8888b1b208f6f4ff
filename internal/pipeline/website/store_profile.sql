-- A version is written once. One run a tenant is at work at a time, so the next number is free.
INSERT INTO customer_brain.site_profile (tenant_id, version, niche, audience, positioning, pricing_patterns, content_patterns, evidence, changes,
                                         model, prompt_version, connection_id, run_id, snapshot_id, call_id, text_hash, schema_version, grounded, fresh)
SELECT $1, coalesce(max(version), 0) + 1, $2, $3, $4, $5::jsonb, $6::jsonb, $7::jsonb, $8::jsonb, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18
  FROM customer_brain.site_profile WHERE tenant_id = $1
