CREATE TABLE webhooks (
    webhook_id      uuid PRIMARY KEY,
    org_id          uuid NOT NULL,
    url             text NOT NULL,
    description     text,
    types           text[] NOT NULL,
    enabled         boolean NOT NULL,
    disabled_reason text,
    disabled_at     timestamptz,
    secret_id       uuid NOT NULL,
    created_by      text NOT NULL,
    removed         boolean NOT NULL,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL
);

CREATE INDEX webhooks_newest ON webhooks (org_id, created_at DESC, webhook_id DESC) WHERE NOT removed;

-- The same walls around the new table as around the others.
DO $$
DECLARE
    writers text := quote_ident(current_user);
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tga_projector') THEN
        writers := writers || ', tga_projector';
    END IF;
    ALTER TABLE webhooks ENABLE ROW LEVEL SECURITY;
    ALTER TABLE webhooks FORCE ROW LEVEL SECURITY;
    EXECUTE format('CREATE POLICY writer ON webhooks TO %s USING (true) WITH CHECK (true)', writers);
    CREATE POLICY reader ON webhooks FOR SELECT USING
        (org_id = (SELECT nullif(current_setting('tga.org_id', true), '')::uuid));
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tga_query') THEN
        GRANT SELECT ON webhooks TO tga_query;
    END IF;
END $$;
