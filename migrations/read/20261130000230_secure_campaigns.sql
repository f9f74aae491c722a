-- The same walls around the new tables as around the first ones.
DO $$
DECLARE
    writers text := quote_ident(current_user);
    relation name;
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tga_projector') THEN
        writers := writers || ', tga_projector';
    END IF;
    FOREACH relation IN ARRAY ARRAY['campaigns', 'campaign_items', 'campaign_videos',
        'campaign_creators', 'goals', 'annotations']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', relation);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', relation);
        EXECUTE format('CREATE POLICY writer ON %I TO %s USING (true) WITH CHECK (true)',
                       relation, writers);
        EXECUTE format('CREATE POLICY reader ON %I FOR SELECT USING '
                       '(org_id = (SELECT nullif(current_setting(''tga.org_id'', true), '''')::uuid))',
                       relation);
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tga_query') THEN
            EXECUTE format('GRANT SELECT ON %I TO tga_query', relation);
        END IF;
    END LOOP;
END $$;
