-- Adds to the sites $5 the addresses that they have now, where those are new.
UPDATE sites t
   SET addresses = t.addresses || d.further
  FROM (
    SELECT s.source_id, ARRAY(
        SELECT DISTINCT lower(regexp_replace(a, '^https?://(www\.)?|/+$', '', 'g')) FROM unnest(ARRAY[s.url, s.base_url]) a WHERE a IS NOT NULL
        EXCEPT SELECT unnest(s.addresses) ORDER BY 1) AS further
      FROM sites s
     WHERE s.tenant_id = $1 AND s.source_platform = $2 AND s.source_account_id = $3 AND s.livemode = $4 AND s.source_id = ANY ($5::text[])) d
 WHERE t.tenant_id = $1 AND t.source_platform = $2 AND t.source_account_id = $3 AND t.livemode = $4
   AND t.source_id = d.source_id AND d.further <> '{}'
