CREATE TABLE goals (
    goal_id      uuid PRIMARY KEY,
    org_id       uuid NOT NULL,
    creator_id   uuid NOT NULL,
    project_id   uuid NOT NULL,
    metric       text NOT NULL,
    period       text NOT NULL,
    target_value bigint NOT NULL,
    start_date   date,
    end_date     date,
    is_active    boolean NOT NULL,
    removed      boolean NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL
);

CREATE INDEX goals_newest ON goals (project_id, created_at DESC, goal_id DESC) WHERE NOT removed;
CREATE INDEX goals_of_creator ON goals (creator_id) WHERE NOT removed;
