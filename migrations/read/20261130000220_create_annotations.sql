-- Marks on the time axis, of people and of the system.
CREATE TABLE annotations (
    annotation_id uuid PRIMARY KEY,
    org_id        uuid NOT NULL,
    project_id    uuid NOT NULL,
    -- What it is about; null: the whole project.
    entity_type   text,
    entity_id     uuid,
    kind          text NOT NULL,
    -- user or system.
    source        text NOT NULL,
    -- Of those of the system, the day on which it happened in the org's zone of then.
    date          date NOT NULL,
    label         text NOT NULL,
    body          text,
    -- user:<id>, key:<id> or system.
    created_by    text NOT NULL,
    removed       boolean NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL
);

CREATE INDEX annotations_newest ON annotations (project_id, date DESC, annotation_id DESC)
    WHERE NOT removed;
CREATE INDEX annotations_of_project ON annotations (project_id, date DESC, annotation_id DESC)
    WHERE NOT removed AND entity_id IS NULL;
CREATE INDEX annotations_of_entity ON annotations (entity_id, date DESC, annotation_id DESC)
    WHERE NOT removed AND entity_id IS NOT NULL;
