-- What was decided on a creator.
CREATE TABLE creators (
    creator_id          uuid PRIMARY KEY,
    org_id              uuid NOT NULL,
    project_id          uuid NOT NULL,
    platform            text NOT NULL,
    handle              text NOT NULL,
    -- What people gave in place of the platform's name: as it stands in the log, and opened.
    -- Opened is null once the subject's key was destroyed.
    display_name_sealed text,
    display_name        text,
    -- Handle and display name, case-folded.
    search              text NOT NULL,
    readme              text,
    metadata            text NOT NULL,
    tracking_mode       text NOT NULL,
    tracking_start_date date,
    -- active, auto_disabled or removed.
    status              text NOT NULL,
    disabled_reason     text,
    disabled_at         timestamptz,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL
);

CREATE INDEX creators_newest ON creators (project_id, created_at DESC, creator_id DESC)
    WHERE status <> 'removed';

-- What the platform said last of a creator, opened; each value with the instant it was read at.
CREATE TABLE creator_profiles (
    creator_id      uuid PRIMARY KEY,
    org_id          uuid NOT NULL,
    display_name    text,
    display_name_at timestamptz,
    -- The display name, case-folded.
    search          text,
    avatar_url      text,
    avatar_url_at   timestamptz,
    followers       bigint,
    followers_at    timestamptz,
    following       bigint,
    following_at    timestamptz,
    likes           bigint,
    likes_at        timestamptz,
    videos          bigint,
    videos_at       timestamptz,
    -- The newest reading.
    profile_at      timestamptz NOT NULL
) WITH (fillfactor = 80);

-- Every reading of a creator's counts; a correction takes the place of what it corrects.
CREATE TABLE creator_readings (
    creator_id  uuid NOT NULL,
    observed_at timestamptz NOT NULL,
    org_id      uuid NOT NULL,
    followers   bigint,
    following   bigint,
    likes       bigint,
    videos      bigint,
    PRIMARY KEY (creator_id, observed_at)
);
