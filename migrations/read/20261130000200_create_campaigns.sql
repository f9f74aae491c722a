CREATE TABLE campaigns (
    campaign_id  uuid PRIMARY KEY,
    org_id       uuid NOT NULL,
    project_id   uuid NOT NULL,
    name         text NOT NULL,
    -- The name, case-folded.
    search       text NOT NULL,
    readme       text,
    -- A JSON object in canonical form.
    metadata     text NOT NULL,
    target_views bigint,
    target_at    timestamptz,
    removed      boolean NOT NULL,
    item_count   bigint NOT NULL,
    -- Whether its slots are those of what it holds now: false from a change of what it or a
    -- campaign in it holds until the roll-up has followed. Until then readings answer.
    is_rolled    boolean NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL
);

CREATE INDEX campaigns_newest ON campaigns (project_id, created_at DESC, campaign_id DESC)
    WHERE NOT removed;
CREATE INDEX campaigns_unrolled ON campaigns (campaign_id) WHERE NOT is_rolled;

-- What campaigns hold at first hand.
CREATE TABLE campaign_items (
    campaign_id uuid NOT NULL,
    -- creator, video or campaign.
    item_type   text NOT NULL,
    item_id     uuid NOT NULL,
    org_id      uuid NOT NULL,
    added_at    timestamptz NOT NULL,
    PRIMARY KEY (campaign_id, item_type, item_id)
);

CREATE INDEX campaign_items_newest ON campaign_items (campaign_id, added_at DESC, item_id DESC);
CREATE INDEX campaign_items_holders ON campaign_items (item_id) WHERE item_type = 'campaign';

-- The videos whose figures are in a campaign's slots if they are counted.
CREATE TABLE campaign_videos (
    campaign_id uuid NOT NULL,
    video_id    uuid NOT NULL,
    org_id      uuid NOT NULL,
    PRIMARY KEY (video_id, campaign_id)
);

CREATE INDEX campaign_videos_of ON campaign_videos (campaign_id, video_id);

-- The creators whose followers are in a campaign's slots: those that are in it as creators, at any
-- depth, and the owners of its counted videos.
CREATE TABLE campaign_creators (
    campaign_id uuid NOT NULL,
    creator_id  uuid NOT NULL,
    org_id      uuid NOT NULL,
    is_item     boolean NOT NULL,
    -- How many of campaign_videos are theirs and counted.
    videos      integer NOT NULL,
    PRIMARY KEY (creator_id, campaign_id)
);

CREATE INDEX campaign_creators_of ON campaign_creators (campaign_id, creator_id);

-- A campaign and all campaigns in it, at any depth. None holds itself.
CREATE FUNCTION campaigns_within(campaign uuid) RETURNS SETOF uuid
STABLE PARALLEL SAFE ROWS 10 LANGUAGE sql AS $$
    WITH RECURSIVE within (id) AS (
        SELECT campaign
        UNION
        SELECT i.item_id FROM within w
        JOIN campaign_items i ON i.campaign_id = w.id AND i.item_type = 'campaign'
    )
    SELECT id FROM within
$$;

-- A campaign and all campaigns that hold it, at any depth.
CREATE FUNCTION campaigns_around(campaign uuid) RETURNS SETOF uuid
STABLE PARALLEL SAFE ROWS 10 LANGUAGE sql AS $$
    WITH RECURSIVE around (id) AS (
        SELECT campaign
        UNION
        SELECT i.campaign_id FROM around a
        JOIN campaign_items i ON i.item_id = a.id AND i.item_type = 'campaign'
    )
    SELECT id FROM around
$$;

-- The creators that a campaign holds as such, at any depth.
CREATE FUNCTION creators_within(campaign uuid) RETURNS SETOF uuid
STABLE PARALLEL SAFE ROWS 100 LANGUAGE sql AS $$
    SELECT DISTINCT i.item_id FROM campaigns_within(campaign) w (id)
    JOIN campaign_items i ON i.campaign_id = w.id AND i.item_type = 'creator'
$$;

-- The videos of its union: those that it holds, and those of the creators that it holds, at any
-- depth, each once, whether counted or not.
CREATE FUNCTION videos_within(campaign uuid) RETURNS SETOF uuid
STABLE PARALLEL SAFE ROWS 1000 LANGUAGE sql AS $$
    SELECT i.item_id FROM campaigns_within(campaign) w (id)
    JOIN campaign_items i ON i.campaign_id = w.id AND i.item_type = 'video'
    UNION
    SELECT v.video_id FROM creators_within(campaign) c (id)
    JOIN videos v ON v.creator_id = c.id
$$;
