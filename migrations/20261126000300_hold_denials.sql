set role tga_owner;

alter table gate.credentials add column denied_position bigint not null default 0;
comment on column gate.credentials.denied_position is 'the newest event that took something away from it; 0: none did';
alter table gate.orgs add column denied_position bigint not null default 0;
comment on column gate.orgs.denied_position is 'the newest event that suspended it; 0: none did';

-- Both answer with the new columns, so they are made anew.
drop function gate.verify(bytea);
create function gate.verify(credential_hash bytea)
returns table (
    id uuid,
    org_id uuid,
    kind smallint,
    status smallint,
    scopes smallint,
    strict boolean,
    owner_id uuid,
    owner_banned boolean,
    rate_limit_per_minute bigint,
    ip_allowlist text[],
    expires_at timestamptz,
    overlap_ends_at timestamptz,
    "position" bigint,
    denied_position bigint,
    org_plan text,
    org_requests_per_day bigint,
    org_requests_per_minute_per_key bigint,
    org_suspended boolean,
    org_position bigint,
    org_denied_position bigint,
    auth_position bigint,
    epoch uuid,
    settled bigint,
    lease_max_ms integer,
    in_recovery boolean
)
language sql stable security definer set search_path = pg_catalog as $$
    select c.id, c.org_id, c.kind, c.status, c.scopes, c.strict, c.owner_id, c.owner_banned,
        c.rate_limit_per_minute, c.ip_allowlist::text[], c.expires_at, c.overlap_ends_at, c.position,
        c.denied_position,
        o.plan, o.requests_per_day, o.requests_per_minute_per_key, o.suspended, o.position,
        o.denied_position,
        l.auth_position, l.epoch, g.settled, g.lease_max_ms, pg_is_in_recovery()
    from log.head l
    cross join gate.head g
    left join gate.credentials c on c.hash = credential_hash
    left join gate.orgs o on o.org_id = c.org_id
$$;
comment on function gate.verify(bytea) is 'VERIFY (revocation.md 5.2): always one row, its credential columns null if the hash is unknown';

drop function gate.load_credentials(bigint, bigint);
create function gate.load_credentials(first_block bigint, blocks bigint)
returns table (
    hash bytea, id uuid, org_id uuid, kind smallint, status smallint, scopes smallint, strict boolean,
    owner_id uuid, owner_banned boolean, rate_limit_per_minute bigint, ip_allowlist text[],
    expires_at timestamptz, overlap_ends_at timestamptz, "position" bigint, denied_position bigint
)
language sql stable security definer set search_path = pg_catalog rows 10000 as $$
    select c.hash, c.id, c.org_id, c.kind, c.status, c.scopes, c.strict, c.owner_id, c.owner_banned,
        c.rate_limit_per_minute, c.ip_allowlist::text[], c.expires_at, c.overlap_ends_at, c.position,
        c.denied_position
    from gate.credentials c
    where c.ctid >= format('(%s,0)', first_block)::tid
        and c.ctid < format('(%s,0)', first_block + blocks)::tid
        and c.status < 3 and not c.owner_banned
        and least(c.expires_at, c.overlap_ends_at, 'infinity') > statement_timestamp()
$$;
comment on function gate.load_credentials(bigint, bigint) is 'R0 LOAD: credentials in these blocks that may act now, those of suspended orgs included';

revoke execute on function gate.verify(bytea), gate.load_credentials(bigint, bigint) from public;
reset role;

grant execute on function gate.verify(bytea), gate.load_credentials(bigint, bigint) to tga_command, tga_query;
