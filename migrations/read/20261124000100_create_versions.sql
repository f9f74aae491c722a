-- Which versions of the projection exist and how far each has come. It stands in a schema of its
-- own, beside the schemas read_1, read_2, ..., so every version's first migration makes it if it
-- is not there yet.
CREATE SCHEMA IF NOT EXISTS read;

CREATE TABLE IF NOT EXISTS read.versions (
    version      integer PRIMARY KEY CHECK (version > 0),
    -- Every event of the log up to here is applied.
    position     bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
    -- Chain hash of the event at that position: a log restored to another past is noticed by it.
    hash         bytea CHECK (octet_length(hash) = 32),
    -- Life of the log that the positions belong to.
    log_epoch    uuid,
    started_at   timestamptz NOT NULL,
    -- When it first reached the head of the log; current is the highest version that has.
    caught_up_at timestamptz
);
