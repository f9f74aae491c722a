CREATE TABLE invitations (
    invitation_id uuid PRIMARY KEY,
    org_id        uuid NOT NULL,
    -- The address, as events name it; which one it is stands outside the read model.
    invitee_id    uuid NOT NULL,
    role          text NOT NULL,
    created_at    timestamptz NOT NULL,
    -- user:<id>, key:<id> or system.
    invited_by    text NOT NULL,
    expires_at    timestamptz NOT NULL,
    -- accepted, declined or revoked; null: nobody made anything of it.
    closed        text
);

CREATE INDEX invitations_newest ON invitations (org_id, created_at DESC, invitation_id DESC);

-- Sessions that nobody ended; those that are over by the date go a day later.
CREATE TABLE sessions (
    session_id uuid PRIMARY KEY,
    org_id     uuid NOT NULL,
    user_id    uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE INDEX sessions_newest ON sessions (org_id, user_id, created_at DESC, session_id DESC);

CREATE INDEX members_joined ON members (org_id, joined_at, user_id);
CREATE INDEX api_keys_owner ON api_keys (org_id, owner_id) WHERE owner_id IS NOT NULL;

-- As 20261124000800 says.
DO $$
DECLARE
    writers text := quote_ident(current_user);
    relation name;
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tga_projector') THEN
        writers := writers || ', tga_projector';
    END IF;
    FOREACH relation IN ARRAY ARRAY['invitations', 'sessions']
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
