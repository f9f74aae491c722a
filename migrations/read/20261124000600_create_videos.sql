-- What was decided on a video.
CREATE TABLE videos (
    video_id                 uuid PRIMARY KEY,
    org_id                   uuid NOT NULL,
    project_id               uuid NOT NULL,
    -- Null for direct adds.
    creator_id               uuid,
    platform                 text NOT NULL,
    platform_video_id        text NOT NULL,
    url                      text NOT NULL,
    media_type               text NOT NULL,
    -- As reported when it was found.
    posted_at                timestamptz,
    readme                   text,
    metadata                 text NOT NULL,
    tracking_status          text NOT NULL,
    -- Null while tracking is on.
    tracking_disabled_reason text,
    removed                  boolean NOT NULL,
    -- Its creator was removed, and it with them.
    creator_removed          boolean NOT NULL,
    reviewed_at              timestamptz,
    reviewed_by              text,
    created_at               timestamptz NOT NULL,
    updated_at               timestamptz NOT NULL
);

CREATE INDEX videos_newest ON videos (project_id, created_at DESC, video_id DESC)
    WHERE NOT removed AND NOT creator_removed AND tracking_status <> 'excluded';
CREATE INDEX videos_of_creator ON videos (creator_id, created_at DESC, video_id DESC)
    WHERE creator_id IS NOT NULL;
-- For the inbox: what waits for a person, and what one decided.
CREATE INDEX videos_inbox ON videos (project_id, tracking_status, created_at DESC, video_id DESC)
    WHERE NOT removed AND NOT creator_removed
        AND (tracking_status = 'pending_review' OR reviewed_at IS NOT NULL);
-- For the limit on videos tracked individually.
CREATE INDEX videos_direct_adds ON videos (org_id)
    WHERE tracking_status = 'direct_add' AND tracking_disabled_reason IS NULL AND NOT removed;

-- What the platform said last of a video; each value with the instant it was read at.
CREATE TABLE video_details (
    video_id         uuid PRIMARY KEY,
    org_id           uuid NOT NULL,
    url              text,
    url_at           timestamptz,
    title            text,
    title_at         timestamptz,
    -- The title, case-folded.
    search           text,
    posted_at        timestamptz,
    posted_at_at     timestamptz,
    media_type       text,
    media_type_at    timestamptz,
    thumbnail_url    text,
    thumbnail_url_at timestamptz
);

-- The last-known counts of a video; each with the instant it was read at. Narrow, apart from what
-- changes rarely, because it is written with every reading.
CREATE TABLE video_stats (
    video_id    uuid PRIMARY KEY,
    org_id      uuid NOT NULL,
    -- The newest reading.
    stats_at    timestamptz NOT NULL,
    views       bigint,
    views_at    timestamptz,
    likes       bigint,
    likes_at    timestamptz,
    comments    bigint,
    comments_at timestamptz,
    shares      bigint,
    shares_at   timestamptz,
    saves       bigint,
    saves_at    timestamptz
) WITH (fillfactor = 70);

-- Every reading of a video's counts; a correction takes the place of what it corrects.
CREATE TABLE video_readings (
    video_id    uuid NOT NULL,
    observed_at timestamptz NOT NULL,
    org_id      uuid NOT NULL,
    views       bigint,
    likes       bigint,
    comments    bigint,
    shares      bigint,
    saves       bigint,
    PRIMARY KEY (video_id, observed_at)
);

-- Rows as the projector sends them: an array of these is unnested several times as fast as an
-- array for each column.
CREATE TYPE video_reading_row AS (
    video_id    uuid,
    observed_at timestamptz,
    org_id      uuid,
    views       bigint,
    likes       bigint,
    comments    bigint,
    shares      bigint,
    saves       bigint
);

CREATE TYPE video_stats_row AS (
    video_id    uuid,
    org_id      uuid,
    stats_at    timestamptz,
    views       bigint,
    views_at    timestamptz,
    likes       bigint,
    likes_at    timestamptz,
    comments    bigint,
    comments_at timestamptz,
    shares      bigint,
    shares_at   timestamptz,
    saves       bigint,
    saves_at    timestamptz
);
