set role tga_owner;

create function gate.keys(key_ids uuid[])
returns table (
    id uuid, org_id uuid, kind smallint, status smallint, scopes smallint, strict boolean,
    owner_id uuid, owner_banned boolean, rate_limit_per_minute bigint, ip_allowlist text[],
    expires_at timestamptz, overlap_ends_at timestamptz, denied_position bigint,
    org_plan text, org_requests_per_day bigint, org_requests_per_minute_per_key bigint,
    org_suspended boolean, org_denied_position bigint, in_recovery boolean
)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select c.id, c.org_id, c.kind, c.status, c.scopes, c.strict, c.owner_id, c.owner_banned,
        c.rate_limit_per_minute, c.ip_allowlist::text[], c.expires_at, c.overlap_ends_at, c.denied_position,
        o.plan, o.requests_per_day, o.requests_per_minute_per_key, o.suspended, o.denied_position,
        pg_is_in_recovery()
    from unnest(key_ids) as named (id)
    join gate.credentials c on c.id = named.id
    join gate.orgs o on o.org_id = c.org_id
    limit 1000
$$;
comment on function gate.keys(uuid[]) is
    'what keys may do now, by their ids and without their hashes, for connections that are open: at most 1000';

revoke execute on function gate.keys(uuid[]) from public;
reset role;

grant execute on function gate.keys(uuid[]) to tga_query;
