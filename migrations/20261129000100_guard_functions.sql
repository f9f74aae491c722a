-- Without pg_temp at its end a search path begins with it, and whoever may make a type there has a function of
-- the owner run their code.
do $$
begin
    execute format('revoke temporary on database %I from public', current_database());
end
$$;

set role tga_owner;

do $$
declare
    guarded regprocedure;
begin
    for guarded in
        select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname in ('log', 'gate', 'auth')
    loop
        execute format('alter function %s set search_path = pg_catalog, pg_temp', guarded);
    end loop;
end
$$;

-- A row is moved by whoever made it: every query service sees all incarnations, but no ack_key.
drop function gate.renew_lease(uuid, bigint);
create function gate.renew_lease(own_incarnation uuid, own_key bytea, applied bigint)
returns table (auth_position bigint, epoch uuid, settled bigint, lease_max_ms integer)
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
    update gate.leases set renew_seq = renew_seq + 1,
        applied_position = least(applied, (select l.auth_position from log.head l))
    where incarnation = own_incarnation and ack_key = own_key
    returning (select l.auth_position from log.head l), (select l.epoch from log.head l),
        (select g.settled from gate.head g), (select g.lease_max_ms from gate.head g)
$$;
comment on function gate.renew_lease(uuid, bytea, bigint) is
    'R2 RENEW: no row means that the lease was collected; nobody has applied what is not in the log';

drop function gate.leave(uuid);
create function gate.leave(own_incarnation uuid, own_key bytea) returns boolean
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
    with gone as (
        delete from gate.leases where incarnation = own_incarnation and ack_key = own_key returning 1
    )
    select exists (select from gone)
$$;
comment on function gate.leave(uuid, bytea) is 'R5 LEAVE: after the replica refuses everything';

create or replace function gate.settle(life uuid, up_to bigint, at timestamptz) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform from gate.head for update;
    if not exists (select from log.head l where l.epoch = life and l.auth_position >= up_to) then
        return false;
    end if;
    insert into gate.settlements (position, effective_at) values (up_to, at)
        on conflict (position) do nothing;
    update gate.head set settled = up_to where settled < up_to;
    return true;
end
$$;
comment on function gate.settle(uuid, bigint, timestamptz) is
    'B6: every denial of this life up to there is in force everywhere; false if the log has begun another life, or has nothing there';

revoke execute on function gate.renew_lease(uuid, bytea, bigint), gate.leave(uuid, bytea) from public;
reset role;

grant execute on function gate.renew_lease(uuid, bytea, bigint), gate.leave(uuid, bytea) to tga_command, tga_query;
