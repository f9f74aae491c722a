-- What people see of keys; who may call is decided by gate.credentials alone.
CREATE TABLE api_keys (
    key_id                uuid PRIMARY KEY,
    org_id                uuid NOT NULL,
    name                  text NOT NULL,
    -- What is shown of the secret.
    prefix                text NOT NULL,
    -- Name and prefix, case-folded.
    search                text NOT NULL,
    -- Bits of the scopes.
    scopes                smallint NOT NULL,
    strict                boolean NOT NULL,
    created_at            timestamptz NOT NULL,
    -- user:<id>, key:<id> or system.
    created_by            text NOT NULL,
    owner_id              uuid,
    expires_at            timestamptz,
    ip_allowlist          text[],
    rate_limit_per_minute bigint NOT NULL,
    -- The key that replaces this one, and when this one ends for it.
    replaced_by           uuid,
    overlap_ends_at       timestamptz,
    -- The key that this one replaces.
    replaces              uuid,
    revoked_at            timestamptz,
    revoked_position      bigint,
    revoked_by            text,
    revoked_reason        text,
    -- The newest change that took something away.
    narrowed_at           timestamptz,
    narrowed_position     bigint,
    narrowed_by           text
);

CREATE INDEX api_keys_newest ON api_keys (org_id, created_at DESC, key_id DESC);
