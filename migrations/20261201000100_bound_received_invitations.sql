set role tga_owner;

-- The open invitation of an org to an address is the newest that it made, and it lives for 7 days. A day more is for
-- clocks that differ, and some rows more for attempts that are about to be refused.
drop function auth.received(uuid);
create function auth.received(person uuid)
returns table (id uuid, org_id uuid, org_name text, email text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select i.id, e.org_id, o.name, e.email
    from auth.users u
    join auth.invitees e on e.email = u.email
    join gate.orgs o on o.org_id = e.org_id
    cross join lateral (
        select newest.id from auth.invitations newest
        where newest.invitee_id = e.id and newest.created_at > now() - interval '8 days'
        order by newest.created_at desc limit 20
    ) i
    where u.id = person
$$;
comment on function auth.received(uuid) is
    'invitations of the last 8 days to the person''s address, open or not: the 20 newest of each org';

revoke execute on function auth.received(uuid) from public;
reset role;

grant execute on function auth.received(uuid) to tga_command, tga_query;
