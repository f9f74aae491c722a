set role tga_owner;

create function gate.fleet()
returns table (epoch uuid, bus_key bytea, incarnation uuid)
language sql stable security definer set search_path = pg_catalog as $$
    select h.epoch, g.bus_key, l.incarnation
    from log.head h
    cross join gate.head g
    left join gate.leases l on true
$$;
comment on function gate.fleet() is 'whose counts of admissions are to be heard: one row for each lease, or one without';

revoke execute on function gate.fleet() from public;
reset role;

grant execute on function gate.fleet() to tga_command, tga_query;
