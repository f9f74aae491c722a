set role tga_owner;

create table log.archived (
    upto bigint not null primary key,
    first bigint not null unique check (first between 1 and upto),
    epoch uuid not null,
    file text not null,
    sha256 bytea not null check (length(sha256) = 32),
    manifest_sha256 bytea not null check (length(manifest_sha256) = 32),
    hash bytea not null check (length(hash) = 32),
    auth_position bigint not null check (auth_position between 0 and upto),
    peaks bytea[] not null,
    archived_at timestamptz not null
);
comment on table log.archived is
    'stretches of the log that stand whole in files alone: of their observations log.events has only some; append-only';
comment on column log.archived.upto is 'last position of the stretch; all stretches together begin with 1 and have no gaps';
comment on column log.archived.first is 'its first position';
comment on column log.archived.epoch is 'life of the log in which it was archived';
comment on column log.archived.file is 'name of the file, wherever its folder is by now';
comment on column log.archived.sha256 is 'of the file';
comment on column log.archived.manifest_sha256 is 'of the manifest beside it, which has the hash of every frame';
comment on column log.archived.hash is 'hash of the event at upto';
comment on column log.archived.auth_position is 'the newest event up to there that changes who may call, or 0';
comment on column log.archived.peaks is
    'roots of the complete subtrees that the tree over everything up to there consists of, the largest first';

create trigger append_only before update or delete or truncate on log.archived
    for each statement execute function log.refuse_change();
alter table log.archived enable always trigger append_only;

-- What follows is for the operator alone, who acts as the owner or as a superuser; a function, so that
-- whatever is made belongs to the owner. Names of partitions end with `_kept` while they are filled and
-- with `_old` once another one stands in their place.
create function log.begin_kept(first bigint, upto bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    name constant text := log.partition_name(first) || '_kept';
begin
    execute format('drop table if exists log.%I', name);
    perform log.make_partition(name);
    -- With it, attaching looks at no row.
    execute format('alter table log.%I add constraint stretch
        check (position >= %s::bigint and position < %s::bigint)', name, first, upto + 1);
end
$$;
comment on function log.begin_kept(bigint, bigint) is
    'makes the table of what stays online of a partition; one that was begun before is dropped';

create function log.keep_decisions(first bigint, after bigint, through bigint) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    name constant text := log.partition_name(first);
    kept bigint;
begin
    execute format('insert into log.%I select * from log.%I
        where stream = 0 and position > $1 and position <= $2 on conflict (position) do nothing',
        name || '_kept', name) using after, through;
    get diagnostics kept = row_count;
    return kept;
end
$$;
comment on function log.keep_decisions(bigint, bigint, bigint) is
    'keeps the decisions after a position up to another one; says how many';

create function log.keep_positions(first bigint, positions bigint[]) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    name constant text := log.partition_name(first);
    kept bigint;
begin
    execute format('insert into log.%I select * from log.%I where position = any($1)
        on conflict (position) do nothing', name || '_kept', name) using positions;
    get diagnostics kept = row_count;
    return kept;
end
$$;
comment on function log.keep_positions(bigint, bigint[]) is 'keeps these events; says how many were not kept yet';

create function log.lacks_decisions(first bigint) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    name constant text := log.partition_name(first);
    lacking bigint;
begin
    execute format('select count(*) from log.%I e where e.stream = 0
        and not exists (select from log.%I k where k.position = e.position and k.hash = e.hash
            and k.metadata::text is not distinct from e.metadata::text
            and k.data::text = e.data::text)',
        name, name || '_kept') into lacking;
    return lacking;
end
$$;
comment on function log.lacks_decisions(bigint) is 'how many decisions of a partition are not kept, or not as they are';

create function log.put_away(stretch log.archived) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    name constant text := log.partition_name(stretch.first);
begin
    if stretch.first <> 1 + coalesce((select max(a.upto) from log.archived a), 0) then
        raise exception 'position % is not the next to be archived', stretch.first
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    if not exists (select from log.folded f, log.head h
        where f.position >= stretch.upto and h.position >= stretch.upto) then
        raise exception 'the log is not folded up to %', stretch.upto
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    execute format('alter table log.events detach partition log.%I', name);
    execute format('alter table log.%I rename to %I', name, name || '_old');
    execute format('alter table log.%I rename to %I', name || '_kept', name);
    execute format('alter table log.events attach partition log.%I for values from (%s) to (%s)',
        name, stretch.first, stretch.upto + 1);
    execute format('alter table log.%I drop constraint stretch', name);
    insert into log.archived select stretch.*;
end
$$;
comment on function log.put_away(log.archived) is
    'puts what is kept of a partition in its place; holds up readers and appenders for some milliseconds';

create function log.forget_put_away(first bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    name constant text := log.partition_name(first);
    index_name text;
    dropped constant boolean := to_regclass('log.' || name || '_old') is not null;
begin
    if not exists (select from log.archived a where a.first = forget_put_away.first) then
        raise exception 'the partition of % is not archived', first
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    execute format('drop table if exists log.%I', name || '_old');
    for index_name in
        select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid
        where i.indrelid = to_regclass('log.' || name) and c.relname like '%\_kept\_%'
    loop
        execute format('alter index log.%I rename to %I', index_name, replace(index_name, '_kept_', '_'));
    end loop;
    return dropped;
end
$$;
comment on function log.forget_put_away(bigint) is
    'drops the partition that was put away, and gives what stands in its place its names; whether there was one';

revoke execute on function log.begin_kept(bigint, bigint), log.keep_decisions(bigint, bigint, bigint),
    log.keep_positions(bigint, bigint[]), log.lacks_decisions(bigint), log.put_away(log.archived),
    log.forget_put_away(bigint) from public;

reset role;

grant select on log.archived to tga_command, tga_query, tga_projector;
