-- The newest version of a connection, and the reading that it was made of.
SELECT p.version, p.created_at, p.niche, p.audience, p.positioning, p.pricing_patterns, p.content_patterns, p.evidence, p.changes,
       coalesce(p.model, ''), coalesce(p.prompt_version, ''), coalesce(p.grounded, 0)::float8, p.fresh, p.schema_version, p.text_hash,
       coalesce((SELECT max(f.created_at) FROM customer_brain.site_profile f WHERE f.connection_id = $1 AND f.fresh), p.created_at),
       coalesce(p.snapshot_id, 0), s.fetched_at, s.facts_hash, s.body_simhash, s.fingerprint
  FROM customer_brain.site_profile p
  LEFT JOIN fetch_snapshot s ON s.tenant_id = p.tenant_id AND s.snapshot_id = p.snapshot_id
 WHERE p.connection_id = $1
 ORDER BY p.version DESC LIMIT 1
