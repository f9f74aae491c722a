CREATE TABLE projects (
    project_id uuid PRIMARY KEY,
    org_id     uuid NOT NULL,
    name       text NOT NULL,
    -- The name, case-folded.
    search     text NOT NULL,
    readme     text,
    -- A JSON object in canonical form.
    metadata   text NOT NULL,
    removed    boolean NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE INDEX projects_newest ON projects (org_id, created_at DESC, project_id DESC) WHERE NOT removed;
