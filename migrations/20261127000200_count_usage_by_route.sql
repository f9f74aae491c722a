set role tga_owner;

alter table gate.usage
    add column recent bigint[] not null default array_fill(0::bigint, array[12]),
    add column recent_slot bigint not null default 0;
comment on column gate.usage.recent is 'requests admitted in the last twelve spans of 5 minutes, newest first';
comment on column gate.usage.recent_slot is 'the newest of these spans, counted from 1970';
create index usage_day on gate.usage (day);

create table gate.usage_by_route (
    credential_id uuid not null,
    day date not null,
    method text not null,
    route text not null,
    scope text,
    requests bigint not null check (requests >= 0),
    last_used_at timestamptz not null,
    primary key (credential_id, day, method, route)
) with (fillfactor = 70);
comment on table gate.usage_by_route is 'admitted requests by credential, UTC day and route; requests that led to no route stand in gate.usage alone';
comment on column gate.usage_by_route.credential_id is 'the key or session';
comment on column gate.usage_by_route.day is 'UTC day';
comment on column gate.usage_by_route.method is 'GET, POST, PATCH or DELETE';
comment on column gate.usage_by_route.route is 'the path as the document of v1 names it';
comment on column gate.usage_by_route.scope is 'the scope that the route needs; null: none';
comment on column gate.usage_by_route.requests is 'requests admitted';
comment on column gate.usage_by_route.last_used_at is 'the newest request; only moves forward';
create index usage_by_route_day on gate.usage_by_route (day);

create function gate.span_of_5_minutes(at timestamptz) returns bigint
language sql immutable set search_path = pg_catalog as $$
    select floor(extract(epoch from at) / 300)::bigint
$$;
comment on function gate.span_of_5_minutes(timestamptz) is 'a span of 5 minutes, counted from 1970';

create function gate.add_recent(counts bigint[], newest bigint, added bigint, span bigint) returns bigint[]
language sql immutable set search_path = pg_catalog as $$
    select array_agg(
        coalesce(counts[i - (greatest(newest, span) - newest)], 0)
            + case when greatest(newest, span) - span = i - 1 then added else 0 end
        order by i)
    from generate_series(1, 12) as i
$$;
comment on function gate.add_recent(bigint[], bigint, bigint, bigint) is 'counts of the twelve newest spans with some added to one; what is older falls out';

create function gate.sum_recent(counts bigint[], newest bigint, at timestamptz) returns bigint
language sql immutable set search_path = pg_catalog as $$
    select coalesce(sum(counts[i]), 0)::bigint from generate_series(1, 12) as i
    where newest - i + 1 > gate.span_of_5_minutes(at) - 12
$$;
comment on function gate.sum_recent(bigint[], bigint, timestamptz) is 'what of the counts lies in the hour before, the running span of 5 minutes included';

drop function gate.record_usage(uuid[], date[], uuid[], bigint[], bigint[], timestamptz[]);

create function gate.record_usage(
    credential_ids uuid[], days date[], org_ids uuid[], admitted bigint[], turned_away bigint[], last_used timestamptz[],
    route_credential_ids uuid[], route_days date[], methods text[], routes text[], scopes text[],
    route_requests bigint[], route_last_used timestamptz[]
) returns void
language sql volatile security definer set search_path = pg_catalog as $$
    insert into gate.usage as u (credential_id, day, org_id, requests, refused, last_used_at, recent, recent_slot)
    select n.*, gate.add_recent('{}', gate.span_of_5_minutes(n.last_used), n.admitted, gate.span_of_5_minutes(n.last_used)),
        gate.span_of_5_minutes(n.last_used)
    from unnest(credential_ids, days, org_ids, admitted, turned_away, last_used)
        as n (credential_id, day, org_id, admitted, turned_away, last_used)
    order by 1, 2
    on conflict (credential_id, day) do update set
        requests = u.requests + excluded.requests,
        refused = u.refused + excluded.refused,
        last_used_at = greatest(u.last_used_at, excluded.last_used_at),
        recent = gate.add_recent(u.recent, u.recent_slot, excluded.requests, excluded.recent_slot),
        recent_slot = greatest(u.recent_slot, excluded.recent_slot);
    insert into gate.usage_by_route as u (credential_id, day, method, route, scope, requests, last_used_at)
    select * from unnest(route_credential_ids, route_days, methods, routes, scopes, route_requests, route_last_used)
    order by 1, 2, 3, 4
    on conflict (credential_id, day, method, route) do update set
        scope = excluded.scope,
        requests = u.requests + excluded.requests,
        last_used_at = greatest(u.last_used_at, excluded.last_used_at)
$$;
comment on function gate.record_usage(uuid[], date[], uuid[], bigint[], bigint[], timestamptz[], uuid[], date[], text[], text[], text[], bigint[], timestamptz[]) is
    'adds counts; times of last use only move forward';

create function gate.prune_usage(before date, at_most integer) returns bigint
language sql volatile security definer set search_path = pg_catalog as $$
    with days as (
        delete from gate.usage where (credential_id, day) in (
            select old.credential_id, old.day from gate.usage old
            where old.day < before and exists (
                select from gate.usage newer where newer.credential_id = old.credential_id and newer.day > old.day)
            limit at_most)
        returning 1
    ), routes as (
        delete from gate.usage_by_route where (credential_id, day, method, route) in (
            select old.credential_id, old.day, old.method, old.route from gate.usage_by_route old
            where old.day < before and exists (
                select from gate.usage_by_route newer
                where newer.credential_id = old.credential_id and newer.day > old.day
                    and newer.scope is not distinct from old.scope)
            limit at_most)
        returning 1
    )
    select (select count(*) from days) + (select count(*) from routes)
$$;
comment on function gate.prune_usage(date, integer) is
    'drops counts of days before; the newest of each credential, and of each of its scopes, stay for their times of last use';

revoke execute on all functions in schema gate from public;
reset role;

grant select on gate.usage_by_route to tga_command, tga_query;
grant execute on all functions in schema gate to tga_command, tga_query;
