-- Through these functions alone a query service learns who people are: each runs as the owner, tells of one org
-- or one person, and never a password or the hash of anything.
set role tga_owner;

create function auth.people(org uuid, persons uuid[])
returns table (id uuid, name text, email text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select u.id, u.name, u.email
    from gate.members m join auth.users u on u.id = m.user_id
    where m.org_id = org and m.user_id = any (persons)
$$;
comment on function auth.people(uuid, uuid[]) is 'those of these persons who belong to the org';

create function auth.find_people(org uuid, part text, by_email boolean)
returns table (id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select u.id
    from gate.members m join auth.users u on u.id = m.user_id
    where m.org_id = org
        and (position(lower(part) in lower(u.name)) > 0 or by_email and position(lower(part) in u.email) > 0)
$$;
comment on function auth.find_people(uuid, text, boolean) is
    'members of the org with this in their name, or, for who may see it, in their address';

create function auth.invited(org uuid, invitations uuid[])
returns table (id uuid, email text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select i.id, e.email
    from auth.invitations i join auth.invitees e on e.id = i.invitee_id
    where e.org_id = org and i.id = any (invitations)
$$;
comment on function auth.invited(uuid, uuid[]) is 'to whom these invitations of the org are';

create function auth.received(person uuid)
returns table (id uuid, org_id uuid, org_name text, email text, created_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select i.id, e.org_id, o.name, e.email, i.created_at
    from auth.users u
    join auth.invitees e on e.email = u.email
    join auth.invitations i on i.invitee_id = e.id
    join gate.orgs o on o.org_id = e.org_id
    where u.id = person
$$;
comment on function auth.received(uuid) is 'invitations to the person''s address, of whatever org, open or not';

create function auth.orgs_of(person uuid)
returns table (org_id uuid, role text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select m.org_id, m.role from gate.members m where m.user_id = person
$$;
comment on function auth.orgs_of(uuid) is 'the orgs that the person belongs to';

create function auth.session_places(org uuid, sessions uuid[])
returns table (id uuid, ip text, user_agent text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select s.id, s.ip, s.user_agent from auth.sessions s where s.org_id = org and s.id = any (sessions)
$$;
comment on function auth.session_places(uuid, uuid[]) is 'from where these sessions of the org were opened';

create function gate.last_seen(org uuid, persons uuid[])
returns table (user_id uuid, last_seen_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select c.owner_id, max(u.last_used_at)
    from gate.credentials c join gate.usage u on u.credential_id = c.id
    where c.org_id = org and c.kind = 2 and c.owner_id = any (persons)
    group by c.owner_id
$$;
comment on function gate.last_seen(uuid, uuid[]) is 'when these persons last used a session of the org';

revoke execute on function auth.people(uuid, uuid[]), auth.find_people(uuid, text, boolean), auth.invited(uuid, uuid[]),
    auth.received(uuid), auth.orgs_of(uuid), auth.session_places(uuid, uuid[]), gate.last_seen(uuid, uuid[]) from public;
reset role;

grant execute on function auth.people(uuid, uuid[]), auth.find_people(uuid, text, boolean), auth.invited(uuid, uuid[]),
    auth.received(uuid), auth.orgs_of(uuid), auth.session_places(uuid, uuid[]), gate.last_seen(uuid, uuid[])
    to tga_command, tga_query;
