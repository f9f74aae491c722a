CREATE TABLE orgs (
    org_id             uuid PRIMARY KEY,
    name               text NOT NULL,
    plan               text NOT NULL,
    -- IANA name of the zone in which its days begin.
    timezone           text NOT NULL,
    suspended          boolean NOT NULL,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    -- After a downgrade: the former days of history (null: unlimited) and until when they hold.
    kept_history_days  bigint,
    kept_history_until timestamptz
);

-- The operator's numbers in place of the plan's.
CREATE TABLE org_limits (
    org_id    uuid NOT NULL,
    limit_key text NOT NULL,
    value     bigint NOT NULL,
    PRIMARY KEY (org_id, limit_key)
);

CREATE TABLE members (
    org_id    uuid NOT NULL,
    user_id   uuid NOT NULL,
    role      text NOT NULL,
    joined_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, user_id)
);
