-- Brings up to date who bears which id of another platform, of all members.
WITH bearer AS (
    SELECT DISTINCT m.source_platform, m.source_account_id, m.livemode, m.source_id, f.id AS foreign_id
      FROM members m CROSS JOIN LATERAL jsonb_array_elements_text(m.foreign_ids) AS f (id)
     WHERE m.tenant_id = $1 AND m.deleted_at IS NULL
), gone AS (
    DELETE FROM member_foreign_id k
     WHERE k.tenant_id = $1
       AND NOT EXISTS (SELECT FROM bearer b WHERE (b.source_platform, b.source_account_id, b.livemode, b.source_id, b.foreign_id) =
                                                  (k.source_platform, k.source_account_id, k.livemode, k.source_id, k.foreign_id))
)
INSERT INTO member_foreign_id (tenant_id, source_platform, source_account_id, livemode, source_id, foreign_id)
SELECT $1, b.* FROM bearer b
 WHERE NOT EXISTS (SELECT FROM member_foreign_id k
                    WHERE k.tenant_id = $1 AND (k.source_platform, k.source_account_id, k.livemode, k.source_id, k.foreign_id) =
                                               (b.source_platform, b.source_account_id, b.livemode, b.source_id, b.foreign_id))
    ON CONFLICT DO NOTHING
