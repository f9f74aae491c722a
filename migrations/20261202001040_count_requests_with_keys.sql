set role tga_owner;

create function gate.requests_with_keys(org uuid, of_day date) returns bigint
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select coalesce(sum(u.requests), 0)::bigint
    from gate.usage u join gate.credentials c on c.id = u.credential_id
    where u.org_id = org and u.day = of_day and c.kind = 1
$$;
comment on function gate.requests_with_keys(uuid, date) is
    'admitted requests of an org on a UTC day that count against its day: those of people''s sessions do not';

revoke execute on function gate.requests_with_keys(uuid, date) from public;
reset role;

grant execute on function gate.requests_with_keys(uuid, date) to tga_query;
