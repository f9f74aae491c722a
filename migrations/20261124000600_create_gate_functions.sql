-- Through these functions alone a query service reaches the gate's tables: each runs as the owner,
-- does one thing, and names every object with its schema.
set role tga_owner;

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
    org_plan text,
    org_requests_per_day bigint,
    org_requests_per_minute_per_key bigint,
    org_suspended boolean,
    org_position bigint,
    auth_position bigint,
    epoch uuid,
    settled bigint,
    lease_max_ms integer,
    in_recovery boolean
)
language sql stable security definer set search_path = pg_catalog as $$
    select c.id, c.org_id, c.kind, c.status, c.scopes, c.strict, c.owner_id, c.owner_banned,
        c.rate_limit_per_minute, c.ip_allowlist::text[], c.expires_at, c.overlap_ends_at, c.position,
        o.plan, o.requests_per_day, o.requests_per_minute_per_key, o.suspended, o.position,
        l.auth_position, l.epoch, g.settled, g.lease_max_ms, pg_is_in_recovery()
    from log.head l
    cross join gate.head g
    left join gate.credentials c on c.hash = credential_hash
    left join gate.orgs o on o.org_id = c.org_id
$$;
comment on function gate.verify(bytea) is 'VERIFY (revocation.md 5.2): always one row, its credential columns null if the hash is unknown';

create function gate.state()
returns table (
    auth_position bigint, "position" bigint, epoch uuid, settled bigint, lease_max_ms integer,
    bus_key bytea, in_recovery boolean
)
language sql stable security definer set search_path = pg_catalog as $$
    select l.auth_position, l.position, l.epoch, g.settled, g.lease_max_ms, g.bus_key, pg_is_in_recovery()
    from log.head l cross join gate.head g
$$;
comment on function gate.state() is 'head of the log and of the gate in one snapshot';

create function gate.load_orgs()
returns table (
    org_id uuid, plan text, requests_per_day bigint, requests_per_minute_per_key bigint,
    suspended boolean, "position" bigint
)
language sql stable security definer set search_path = pg_catalog as $$
    select o.org_id, o.plan, o.requests_per_day, o.requests_per_minute_per_key, o.suspended, o.position
    from gate.orgs o
$$;
comment on function gate.load_orgs() is 'R0 LOAD: every org; called in one REPEATABLE READ snapshot with load_credentials';

create function gate.credential_blocks() returns bigint
language sql stable security definer set search_path = pg_catalog as $$
    select pg_relation_size('gate.credentials') / current_setting('block_size')::bigint
$$;
comment on function gate.credential_blocks() is 'R0 LOAD: blocks to be read with load_credentials; asked after the snapshot was taken';

-- By block and not by hash: a million rows in the order of a random key would be a million reads of
-- random blocks. Rows do not move while the snapshot's transaction holds its lock on the table.
create function gate.load_credentials(first_block bigint, blocks bigint)
returns table (
    hash bytea, id uuid, org_id uuid, kind smallint, status smallint, scopes smallint, strict boolean,
    owner_id uuid, owner_banned boolean, rate_limit_per_minute bigint, ip_allowlist text[],
    expires_at timestamptz, overlap_ends_at timestamptz, "position" bigint
)
language sql stable security definer set search_path = pg_catalog rows 10000 as $$
    select c.hash, c.id, c.org_id, c.kind, c.status, c.scopes, c.strict, c.owner_id, c.owner_banned,
        c.rate_limit_per_minute, c.ip_allowlist::text[], c.expires_at, c.overlap_ends_at, c.position
    from gate.credentials c
    where c.ctid >= format('(%s,0)', first_block)::tid
        and c.ctid < format('(%s,0)', first_block + blocks)::tid
        and c.status < 3 and not c.owner_banned
        and least(c.expires_at, c.overlap_ends_at, 'infinity') > statement_timestamp()
$$;
comment on function gate.load_credentials(bigint, bigint) is 'R0 LOAD: credentials in these blocks that may act now, those of suspended orgs included';

create function gate.register_lease(
    new_incarnation uuid, name text, term_ms integer, applied bigint, known_epoch uuid, key bytea
) returns boolean
language sql volatile security definer set search_path = pg_catalog as $$
    with registered as (
        insert into gate.leases (incarnation, replica, lease_ms, applied_position, epoch, ack_key)
        select new_incarnation, name, term_ms, applied, known_epoch, key
        from gate.head g where term_ms <= g.lease_max_ms
        returning 1
    )
    select exists (select from registered)
$$;
comment on function gate.register_lease(uuid, text, integer, bigint, uuid, bytea) is 'R1 REGISTER: false if the term is above lease_max_ms; commit before the first renewal';

create function gate.renew_lease(own_incarnation uuid, applied bigint)
returns table (auth_position bigint, epoch uuid, settled bigint)
language sql volatile security definer set search_path = pg_catalog as $$
    update gate.leases set renew_seq = renew_seq + 1, applied_position = applied
    where incarnation = own_incarnation
    returning (select l.auth_position from log.head l), (select l.epoch from log.head l),
        (select g.settled from gate.head g)
$$;
comment on function gate.renew_lease(uuid, bigint) is 'R2 RENEW: no row means that the lease was collected';

create function gate.leave(own_incarnation uuid) returns boolean
language sql volatile security definer set search_path = pg_catalog as $$
    with gone as (delete from gate.leases where incarnation = own_incarnation returning 1)
    select exists (select from gone)
$$;
comment on function gate.leave(uuid) is 'R5 LEAVE: after the replica refuses everything';

create function gate.reserve_quota(org uuid, wanted bigint, day_limit bigint)
returns table (day date, granted bigint, reserved bigint, ends_in_ms bigint)
language plpgsql volatile security definer set search_path = pg_catalog as $$
declare
    at constant timestamp := clock_timestamp() at time zone 'UTC';
    today constant date := at::date;
    before bigint;
begin
    -- The row is made first and then locked, so the grant rests on the newest committed number.
    insert into gate.quota as q (org_id, day, reserved) values (org, today, 0)
        on conflict on constraint quota_pkey do nothing;
    select q.reserved into before from gate.quota q where q.org_id = org and q.day = today for update;
    granted := greatest(0, least(wanted, coalesce(day_limit, before + wanted) - before));
    if granted > 0 then
        update gate.quota q set reserved = q.reserved + granted where q.org_id = org and q.day = today;
    end if;
    day := today;
    reserved := before + granted;
    ends_in_ms := ceil(extract(epoch from (today + 1)::timestamp - at) * 1000);
    return next;
end
$$;
comment on function gate.reserve_quota(uuid, bigint, bigint) is 'a block of an org''s day, at most what the limit leaves; the day is named here, not by the host';

create function gate.return_quota(org uuid, of_day date, unused bigint) returns void
language sql volatile security definer set search_path = pg_catalog as $$
    update gate.quota set reserved = greatest(0, reserved - greatest(0, unused)) where org_id = org and day = of_day
$$;
comment on function gate.return_quota(uuid, date, bigint) is 'gives back what a process reserved and did not use';

create function gate.record_usage(
    credential_ids uuid[], days date[], org_ids uuid[], admitted bigint[], turned_away bigint[], last_used timestamptz[]
) returns void
language sql volatile security definer set search_path = pg_catalog as $$
    insert into gate.usage as u (credential_id, day, org_id, requests, refused, last_used_at)
    select * from unnest(credential_ids, days, org_ids, admitted, turned_away, last_used) as n
    order by 1, 2
    on conflict (credential_id, day) do update set
        requests = u.requests + excluded.requests,
        refused = u.refused + excluded.refused,
        last_used_at = greatest(u.last_used_at, excluded.last_used_at)
$$;
comment on function gate.record_usage(uuid[], date[], uuid[], bigint[], bigint[], timestamptz[]) is 'adds counts; last_used_at only moves forward';

revoke execute on all functions in schema gate from public;
reset role;

grant execute on all functions in schema gate to tga_command, tga_query;
