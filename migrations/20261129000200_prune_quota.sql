set role tga_owner;

create or replace function gate.prune_usage(before date, at_most integer) returns bigint
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
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
    ), quotas as (
        -- What of today was handed out must not be forgotten, whatever is asked for.
        delete from gate.quota where (org_id, day) in (
            select old.org_id, old.day from gate.quota old
            where old.day < least(before, (statement_timestamp() at time zone 'UTC')::date)
            limit at_most)
        returning 1
    )
    select (select count(*) from days) + (select count(*) from routes) + (select count(*) from quotas)
$$;
comment on function gate.prune_usage(date, integer) is
    'drops counts and orgs'' quotas of days before; the newest count of each credential, and of each of its scopes, stays for its time of last use, and today''s quotas stay';

reset role;
