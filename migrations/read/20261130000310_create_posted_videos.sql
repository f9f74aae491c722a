-- The counted videos with their post times; those of removed projects too. Two halves, so that each
-- has an index to be found by.
CREATE VIEW posted_videos WITH (security_invoker = true) AS
    SELECT v.video_id, v.org_id, v.project_id, v.creator_id, d.posted_at AS post_time
    FROM video_details d JOIN videos v ON v.video_id = d.video_id AND v.org_id = d.org_id
    WHERE d.posted_at IS NOT NULL AND NOT v.removed AND NOT v.creator_removed
        AND v.tracking_status IN ('auto_tracked', 'included', 'direct_add')
    UNION ALL
    SELECT v.video_id, v.org_id, v.project_id, v.creator_id, coalesce(v.posted_at, v.created_at)
    FROM videos v
    WHERE NOT v.removed AND NOT v.creator_removed
        AND v.tracking_status IN ('auto_tracked', 'included', 'direct_add')
        AND NOT EXISTS (SELECT FROM video_details d
                        WHERE d.video_id = v.video_id AND d.posted_at IS NOT NULL);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tga_query') THEN
        GRANT SELECT ON posted_videos TO tga_query;
    END IF;
END $$;
