-- Slots summed by day of UTC, so that a long range costs its days and history before it next to nothing.
-- Written together with the slots.
CREATE TABLE days (LIKE slots INCLUDING ALL) WITH (fillfactor = 90);
ALTER TABLE days RENAME COLUMN slot TO day;
COMMENT ON COLUMN days.day IS 'Days since 1970.';

-- What is there already: the same bounds hold as of slots.
CREATE AGGREGATE slot_total(integer) (sfunc = slot_sum, stype = integer);
CREATE AGGREGATE slot_total(bigint) (sfunc = slot_sum, stype = bigint);
INSERT INTO days
SELECT unit_id, floor(slot / 96.0)::integer, org_id,
       slot_total(posts), slot_total(views_firsts), slot_total(likes_firsts),
       slot_total(comments_firsts), slot_total(shares_firsts), slot_total(saves_firsts),
       slot_total(followers_firsts), slot_total(views_delta), slot_total(views_base),
       slot_total(likes_delta), slot_total(likes_base), slot_total(comments_delta),
       slot_total(comments_base), slot_total(shares_delta), slot_total(shares_base),
       slot_total(saves_delta), slot_total(saves_base), slot_total(followers_delta),
       slot_total(followers_base)
FROM slots GROUP BY unit_id, floor(slot / 96.0)::integer, org_id;
DROP AGGREGATE slot_total(integer);
DROP AGGREGATE slot_total(bigint);

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
