set role tga_owner;

create table gate.members (
    org_id uuid not null,
    user_id uuid not null,
    role text not null,
    position bigint not null,
    primary key (org_id, user_id)
) with (fillfactor = 90);
comment on table gate.members is 'who belongs to which org; written by the append of the event that says so, so that a person is found before any org is loaded';
comment on column gate.members.org_id is 'the org';
comment on column gate.members.user_id is 'the person';
comment on column gate.members.role is 'stable name of their role';
comment on column gate.members.position is 'the newest event that changed the row';
create index members_user on gate.members (user_id);

-- What the log holds already: of each person in each org the newest event.
insert into gate.members (org_id, user_id, role, position)
select newest.org_id, newest.user_id, newest.role, newest.position
from (
    select distinct on (e.org_id, e.data ->> 'user_id')
        e.org_id, (e.data ->> 'user_id')::uuid as user_id, e.type, e.data ->> 'role' as role, e.position
    from log.events e
    where e.auth_prev is not null and e.type in ('member.joined', 'member.role_changed', 'member.removed')
    order by e.org_id, e.data ->> 'user_id', e.position desc
) as newest
where newest.type <> 'member.removed';

reset role;

grant select, insert, update, delete on gate.members to tga_command;
