-- The members of an org's campaigns: counted videos, or the creators that are in a campaign or own a
-- counted video in it. Of those that are rolled up the videos as they stand in their roll-ups.
CREATE FUNCTION members_of_campaigns(org uuid, campaigns uuid[], kind text)
RETURNS TABLE (campaign_id uuid, member_id uuid)
STABLE PARALLEL SAFE LANGUAGE sql AS $$
    WITH videos_in AS (
        SELECT c.campaign_id, m.video_id FROM campaigns c
        CROSS JOIN LATERAL (
            SELECT video_id FROM campaign_videos
            WHERE c.is_rolled AND campaign_id = c.campaign_id
            UNION ALL
            SELECT within.video_id FROM videos_within(c.campaign_id) AS within (video_id)
            WHERE NOT c.is_rolled
        ) m
        WHERE c.org_id = $1 AND c.campaign_id = ANY ($2)
    ), counted AS (
        SELECT i.campaign_id, v.video_id, v.creator_id FROM videos_in i
        JOIN videos v ON v.video_id = i.video_id
        WHERE v.org_id = $1 AND NOT v.removed AND NOT v.creator_removed
          AND v.tracking_status IN ('auto_tracked', 'included', 'direct_add')
    )
    SELECT campaign_id, video_id FROM counted WHERE $3 = 'video'
    UNION
    SELECT campaign_id, creator_id FROM counted WHERE $3 = 'creator' AND creator_id IS NOT NULL
    UNION
    SELECT c.campaign_id, m.creator_id FROM campaigns c
    CROSS JOIN LATERAL creators_within(c.campaign_id) AS m (creator_id)
    JOIN creators cr ON cr.creator_id = m.creator_id AND cr.org_id = $1
    WHERE $3 = 'creator' AND c.org_id = $1 AND c.campaign_id = ANY ($2)
      AND cr.status <> 'removed'
$$;
