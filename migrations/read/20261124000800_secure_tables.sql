-- Row-level security as a second wall under the queries' own predicates: whoever reads sees the
-- rows of the org named in the setting tga.org_id and, where none is named, nothing. The projector
-- writes for every org.
DO $$
DECLARE
    writers text := quote_ident(current_user);
    relation name;
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tga_projector') THEN
        writers := writers || ', tga_projector';
    END IF;
    FOREACH relation IN ARRAY ARRAY['orgs', 'org_limits', 'members', 'api_keys', 'projects',
        'creators', 'creator_profiles', 'creator_readings', 'videos', 'video_details',
        'video_stats', 'video_readings', 'slots']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', relation);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', relation);
        EXECUTE format('CREATE POLICY writer ON %I TO %s USING (true) WITH CHECK (true)',
                       relation, writers);
        EXECUTE format('CREATE POLICY reader ON %I FOR SELECT USING '
                       '(org_id = (SELECT nullif(current_setting(''tga.org_id'', true), '''')::uuid))',
                       relation);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tga_query') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA read, %I TO tga_query', current_schema());
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO tga_query', current_schema());
        GRANT SELECT ON read.versions TO tga_query;
    END IF;
END $$;
