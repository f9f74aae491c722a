-- What was posted in a range of time is found by its post time: as the platform said last, else as
-- it said when the video was found, else when it was taken up.
CREATE INDEX video_details_posted ON video_details (org_id, posted_at) WHERE posted_at IS NOT NULL;

CREATE INDEX videos_posted ON videos (project_id, (coalesce(posted_at, created_at)))
    WHERE NOT removed AND NOT creator_removed
        AND tracking_status IN ('auto_tracked', 'included', 'direct_add');
