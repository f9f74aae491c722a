set role tga_owner;

create table log.settings (
    partition_size bigint not null check (partition_size between 1 and 10000000)
);
comment on table log.settings is 'one row: what is chosen before the first event, and never changed after it';
comment on column log.settings.partition_size is 'events of one partition of log.events';
insert into log.settings values (10000000);

create function log.refuse_late_settings() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if tg_op <> 'UPDATE' or exists (select from log.head where position > 0) then
        raise exception '% of log.settings is refused: the log has begun', tg_op
            using errcode = 'insufficient_privilege';
    end if;
    return null;
end
$$;
comment on function log.refuse_late_settings() is 'what is chosen is chosen before the first event';
revoke execute on function log.refuse_late_settings() from public;

create trigger fixed before update or delete or truncate on log.settings
    for each statement execute function log.refuse_late_settings();
alter table log.settings enable always trigger fixed;

create function log.partition_name(p bigint) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select 'events_' || lpad(((p - 1) / s.partition_size)::text, 6, '0') from log.settings s
$$;
comment on function log.partition_name(bigint) is 'name of the partition of a position';
revoke execute on function log.partition_name(bigint) from public;

create function log.make_partition(name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    execute format('create table log.%I (like log.events including defaults including constraints
        including indexes including storage including comments)', name);
    execute format('create unique index on log.%I (org_id, stream, version)', name);
    execute format('create unique index on log.%I (event_id)', name);
    execute format('create trigger append_only before update or delete or truncate on log.%I
        for each statement execute function log.refuse_change()', name);
    execute format('alter table log.%I enable always trigger append_only', name);
end
$$;
comment on function log.make_partition(text) is 'makes a table that can be attached to log.events';
revoke execute on function log.make_partition(text) from public;

create or replace function log.ensure_partition(p bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    size constant bigint := (select s.partition_size from log.settings s);
    lower_bound constant bigint := (p - 1) / size * size + 1;
    name constant text := log.partition_name(p);
begin
    if p < 1 then
        raise exception 'positions begin with 1' using errcode = 'invalid_parameter_value';
    end if;
    -- Two processes may come here at once.
    perform pg_advisory_xact_lock(hashtext('log.ensure_partition'));
    if to_regclass('log.' || name) is not null then
        return;
    end if;
    perform log.make_partition(name);
    execute format('alter table log.events attach partition log.%I for values from (%s) to (%s)',
        name, lower_bound, lower_bound + size);
end
$$;
comment on function log.ensure_partition(bigint) is 'makes the partition of a position unless it is there';

create function log.make_room(p bigint) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    size constant bigint := (select s.partition_size from log.settings s);
begin
    perform log.ensure_partition(p);
    perform log.ensure_partition(p + size);
    return p + size / 2;
end
$$;
comment on function log.make_room(bigint) is
    'sees to it that the partition of a position and the one behind it are there; returns where to look again';
revoke execute on function log.make_room(bigint) from public;

create function log.resize_partitions(size bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    name text;
begin
    lock table log.events in access exclusive mode;
    update log.settings set partition_size = size;
    for name in select i.inhrelid::regclass::text from pg_inherits i
        where i.inhparent = 'log.events'::regclass
    loop
        execute format('drop table %s', name);
    end loop;
    perform log.make_room(1);
end
$$;
comment on function log.resize_partitions(bigint) is
    'chooses how many events a partition holds, before the first event';
revoke execute on function log.resize_partitions(bigint) from public;

reset role;

grant select on log.settings to tga_command;
grant execute on function log.make_room(bigint) to tga_command;
