set role tga_owner;

-- Old code names the columns that it reads, so it goes on with the new function.
drop function gate.renew_lease(uuid, bigint);
create function gate.renew_lease(own_incarnation uuid, applied bigint)
returns table (auth_position bigint, epoch uuid, settled bigint, lease_max_ms integer)
language sql volatile security definer set search_path = pg_catalog as $$
    update gate.leases set renew_seq = renew_seq + 1, applied_position = applied
    where incarnation = own_incarnation
    returning (select l.auth_position from log.head l), (select l.epoch from log.head l),
        (select g.settled from gate.head g), (select g.lease_max_ms from gate.head g)
$$;
comment on function gate.renew_lease(uuid, bigint) is 'R2 RENEW: no row means that the lease was collected';

revoke execute on function gate.renew_lease(uuid, bigint) from public;
reset role;

grant execute on function gate.renew_lease(uuid, bigint) to tga_command, tga_query;
