set role tga_owner;

alter table gate.orgs add column name text not null default '';
comment on column gate.orgs.name is 'what people call it, for those who are told of several orgs at once; its changes do not move the position';

update gate.orgs o set name = newest.name
from (
    select distinct on (e.org_id) e.org_id, e.data ->> 'name' as name
    from log.events e
    where e.type in ('org.created', 'org.changed') and e.data ->> 'name' is not null
    order by e.org_id, e.position desc
) as newest
where newest.org_id = o.org_id;

reset role;
