set role tga_owner;

create table log.seal_requests (
    org_id uuid not null primary key,
    asked_at timestamptz not null
);
comment on table log.seal_requests is 'orgs whose streams'' ends are to be signed; the signer looks here twice a second';
comment on column log.seal_requests.org_id is 'whose';
comment on column log.seal_requests.asked_at is 'when it was last asked for, by the clock of the database';

create table log.seals (
    org_id uuid not null primary key,
    epoch uuid not null,
    tree_size bigint not null check (tree_size >= 0),
    asked_at timestamptz not null,
    signed_at timestamptz not null,
    seal text not null,
    checkpoint text not null
) with (fillfactor = 50);
comment on table log.seals is 'the newest signed ends of an org''s streams';
comment on column log.seals.org_id is 'whose';
comment on column log.seals.epoch is 'life of the log';
comment on column log.seals.tree_size is 'events of the whole log as of which the streams ended so';
comment on column log.seals.asked_at is 'the newest request that it answers';
comment on column log.seals.signed_at is 'when it was signed';
comment on column log.seals.seal is 'the signed note';
comment on column log.seals.checkpoint is 'the signed head of the tree of that size';

create function log.request_seal(org uuid) returns timestamptz
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
    asked constant timestamptz := clock_timestamp();
begin
    if not exists (select from gate.orgs o where o.org_id = org) then
        raise exception 'there is no such org' using errcode = 'no_data_found';
    end if;
    if (select count(*) from log.seal_requests) >= 1000
        and not exists (select from log.seal_requests r where r.org_id = org) then
        raise exception 'too many seals are asked for' using errcode = 'program_limit_exceeded';
    end if;
    insert into log.seal_requests as r (org_id, asked_at) values (org, asked)
        on conflict (org_id) do update set asked_at = greatest(r.asked_at, excluded.asked_at);
    return asked;
end
$$;
comment on function log.request_seal(uuid) is 'asks for a seal of an org, and says which one is new enough: with asked_at not before this';
revoke execute on function log.request_seal(uuid) from public;

reset role;

grant select, delete on log.seal_requests to tga_command;
grant select, insert, update on log.seals to tga_command;
grant select on log.seals to tga_query;
grant execute on function log.request_seal(uuid) to tga_command, tga_query;
