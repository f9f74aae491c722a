-- Where each org's events stand in the log, by what they are looked for; the events themselves are read
-- there. Names are compared as bytes: nobody sorts them for people.
CREATE TABLE audit_events (
    org_id   uuid NOT NULL,
    position bigint NOT NULL,
    -- 0 decisions, 1 observations.
    stream   smallint NOT NULL,
    type     text COLLATE "C" NOT NULL,
    subject  text COLLATE "C" NOT NULL,
    -- user:<id>, key:<id> or system.
    actor    text COLLATE "C" NOT NULL,
    PRIMARY KEY (org_id, stream, position)
);

CREATE INDEX audit_events_of_type ON audit_events (org_id, type, position);
-- With the type, so that what one actor did is found among all that it did; who asks for every type
-- looks for each that there is.
CREATE INDEX audit_events_of_actor ON audit_events (org_id, actor, type, position);
CREATE INDEX audit_events_of_subject ON audit_events (org_id, subject, type, position);

-- The same walls around the new table as around the others.
DO $$
DECLARE
    writers text := quote_ident(current_user);
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tga_projector') THEN
        writers := writers || ', tga_projector';
    END IF;
    ALTER TABLE audit_events ENABLE ROW LEVEL SECURITY;
    ALTER TABLE audit_events FORCE ROW LEVEL SECURITY;
    EXECUTE format('CREATE POLICY writer ON audit_events TO %s USING (true) WITH CHECK (true)',
                   writers);
    CREATE POLICY reader ON audit_events FOR SELECT
        USING (org_id = (SELECT nullif(current_setting('tga.org_id', true), '')::uuid));
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tga_query') THEN
        GRANT SELECT ON audit_events TO tga_query;
    END IF;
END $$;
