set role tga_owner;

create or replace function log.partition_name(p bigint) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    -- What is padded is also cut, so never to less than it has.
    select 'events_' || lpad(n.digits, greatest(6, length(n.digits)), '0')
    from log.settings s, lateral (select ((p - 1) / s.partition_size)::text as digits) n
$$;

reset role;
