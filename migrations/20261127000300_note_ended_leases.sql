set role tga_owner;

create table gate.last_lease_end (
    ended_at timestamptz not null
) with (fillfactor = 10);
comment on table gate.last_lease_end is 'one row: until a minute after it a process that begins cannot know what was admitted before';
comment on column gate.last_lease_end.ended_at is 'when a row of gate.leases was deleted last';
insert into gate.last_lease_end values ('-infinity');

create function gate.note_lease_end() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
    update gate.last_lease_end set ended_at = clock_timestamp();
    return null;
end
$$;
comment on function gate.note_lease_end() is 'who has left may have admitted requests that still count';
create trigger note_end after delete on gate.leases for each row execute function gate.note_lease_end();

drop function gate.fleet();
create function gate.fleet()
returns table (epoch uuid, bus_key bytea, incarnation uuid, ended_lately boolean)
language sql stable security definer set search_path = pg_catalog as $$
    select h.epoch, g.bus_key, l.incarnation, statement_timestamp() < e.ended_at + interval '1 minute'
    from log.head h
    cross join gate.head g
    cross join gate.last_lease_end e
    left join gate.leases l on true
$$;
comment on function gate.fleet() is 'whose counts of admissions are to be heard: one row for each lease, or one without; and whether a lease ended within the last minute';

revoke execute on function gate.note_lease_end() from public;
revoke execute on function gate.fleet() from public;
reset role;

grant execute on function gate.fleet() to tga_command, tga_query;
