set role tga_owner;

create function gate.prune_quota(before date, at_most integer) returns bigint
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
    with pruned as (
        -- What of today was handed out must not be forgotten, whatever is asked for.
        delete from gate.quota where (org_id, day) in (
            select old.org_id, old.day from gate.quota old
            where old.day < least(before, (statement_timestamp() at time zone 'UTC')::date)
            limit at_most)
        returning 1
    )
    select count(*) from pruned
$$;
comment on function gate.prune_quota(date, integer) is 'drops what was handed out on days before; never of today';

revoke execute on function gate.prune_quota(date, integer) from public;
reset role;

grant execute on function gate.prune_quota(date, integer) to tga_command, tga_query;
