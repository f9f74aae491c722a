-- Slots summed by day of UTC, so that a long range costs its days and history before it next to nothing.
-- Written together with the slots.
CREATE TABLE days (LIKE slots INCLUDING ALL) WITH (fillfactor = 90);
ALTER TABLE days RENAME COLUMN slot TO day;
COMMENT ON COLUMN days.day IS 'Days since 1970.';

-- The same walls as around the other tables.
DO $$
DECLARE
    writers text := quote_ident(current_user);
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tga_projector') THEN
        writers := writers || ', tga_projector';
    END IF;
    ALTER TABLE days ENABLE ROW LEVEL SECURITY;
    ALTER TABLE days FORCE ROW LEVEL SECURITY;
    EXECUTE 'CREATE POLICY writer ON days TO ' || writers || ' USING (true) WITH CHECK (true)';
    CREATE POLICY reader ON days FOR SELECT
        USING (org_id = (SELECT nullif(current_setting('tga.org_id', true), '')::uuid));
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tga_query') THEN
        GRANT SELECT ON days TO tga_query;
    END IF;
END $$;
