create schema log authorization tga_owner;
set role tga_owner;

-- One row. Its lock is the right to append; it is held to the commit, so positions have no gaps,
-- commits happen in their order, and every snapshot sees a prefix of the log.
-- No index: a process that appends alone finds the row by its ctid, everybody else scans. While a
-- long snapshot keeps dead versions from being removed, the scan walks all of them, and so would a
-- look-up and every insert into a unique index; hence the alarm on old snapshots.
create table log.head (
    position bigint not null check (position >= 0),
    auth_position bigint not null check (auth_position between 0 and position),
    recorded_at timestamptz not null,
    epoch uuid not null,
    fence bigint not null default 0
) with (
    fillfactor = 10,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_cost_delay = 0
);
comment on table log.head is 'one row: the end of the log; locked by whoever appends';
comment on column log.head.position is 'position of the newest event, 0 before the first';
comment on column log.head.auth_position is 'position of the newest event that changes who may call';
comment on column log.head.recorded_at is 'recorded_at of the newest event; never goes back';
comment on column log.head.epoch is 'life of this log; another one after every restore';
comment on column log.head.fence is 'raised to make void every append that is still on its way';

insert into log.head values (0, 0, 'epoch', gen_random_uuid());

create table log.events (
    position bigint not null primary key,
    version bigint not null,
    auth_prev bigint,
    recorded_at timestamptz not null,
    stream smallint not null,
    schema_version smallint not null,
    event_id uuid not null,
    org_id uuid not null,
    type text not null,
    subject text not null,
    actor text not null,
    correlation_id text not null,
    prev_hash bytea not null,
    hash bytea not null,
    metadata json,
    data json not null
) partition by range (position);
comment on table log.events is 'everything that happened; append-only, gapless from position 1';
comment on column log.events.position is 'place in the whole log';
comment on column log.events.version is 'place in the stream (org_id, stream), gapless from 1';
comment on column log.events.auth_prev is 'set exactly for events that change who may call: the position of the one before';
comment on column log.events.recorded_at is 'when it was appended; never earlier than the event before it';
comment on column log.events.stream is '0 decisions, 1 observations';
comment on column log.events.schema_version is 'version of the form of data';
comment on column log.events.event_id is 'the id of the public form';
comment on column log.events.org_id is 'whose it is';
comment on column log.events.type is 'stable name, for example key.revoked';
comment on column log.events.subject is 'what it is about, for example keys/<id>';
comment on column log.events.actor is 'who caused it: user:<id>, key:<id> or system';
comment on column log.events.correlation_id is 'X-Request-Id of the request that caused it';
comment on column log.events.prev_hash is 'hash of the event before it in its stream; 32 zero bytes for the first';
comment on column log.events.hash is 'SHA-256 as in v1-contract.md 19.1';
comment on column log.events.metadata is 'what is neither hashed nor sent: the SHA-256 of a new key';
comment on column log.events.data is 'RFC 8785 form, byte for byte what was hashed (json keeps the text, jsonb does not)';

-- Who follows only what changes who may call reads by this.
create index events_auth on log.events (position) where auth_prev is not null;

create function log.refuse_change() returns trigger
language plpgsql set search_path = pg_catalog as $$
begin
    raise exception 'the log is append-only: % on %.% is refused', tg_op, tg_table_schema, tg_table_name
        using errcode = 'insufficient_privilege';
end
$$;
comment on function log.refuse_change() is 'stands against UPDATE, DELETE and TRUNCATE, also by superusers';

create trigger append_only before update or delete or truncate on log.events
    for each statement execute function log.refuse_change();
alter table log.events enable always trigger append_only;

-- A table made apart and then attached takes no lock that stops readers or writers, unlike
-- CREATE TABLE … PARTITION OF.
create function log.ensure_partition(p bigint) returns void
language plpgsql security definer set search_path = pg_catalog as $$
declare
    size constant bigint := 10000000;
    lower_bound constant bigint := (p - 1) / size * size + 1;
    name constant text := 'events_' || lpad(((p - 1) / size)::text, 6, '0');
begin
    if p < 1 then
        raise exception 'positions begin with 1' using errcode = 'invalid_parameter_value';
    end if;
    -- Two processes may come here at once.
    perform pg_advisory_xact_lock(hashtext('log.ensure_partition'));
    if to_regclass('log.' || name) is not null then
        return;
    end if;
    execute format('create table log.%I (like log.events including defaults including constraints
        including indexes including storage including comments)', name);
    execute format('create unique index on log.%I (org_id, stream, version)', name);
    execute format('create unique index on log.%I (event_id)', name);
    execute format('create trigger append_only before update or delete or truncate on log.%I
        for each statement execute function log.refuse_change()', name);
    execute format('alter table log.%I enable always trigger append_only', name);
    execute format('alter table log.events attach partition log.%I for values from (%s) to (%s)',
        name, lower_bound, lower_bound + size);
end
$$;
comment on function log.ensure_partition(bigint) is 'makes the partition of a position (10 million each) unless it is there';
revoke execute on function log.ensure_partition(bigint) from public;

do $$
begin
    perform log.ensure_partition(1);
    perform log.ensure_partition(10000001);
end
$$;

-- Keeping the end of every stream here at each append would cost as much as half of the events
-- themselves, and a hot row under a long snapshot would slow everything down. So it is a fold of
-- whole partitions, made once they are full; the ends of streams with newer events are found in
-- the newer partitions by the index on (org_id, stream, version).
create table log.streams (
    org_id uuid not null,
    stream smallint not null,
    version bigint not null,
    hash bytea not null,
    primary key (org_id, stream)
) with (fillfactor = 80);
comment on table log.streams is 'ends of streams as of log.folded; makes (org_id, stream, version) unique across partitions';
comment on column log.streams.org_id is 'whose it is';
comment on column log.streams.stream is '0 decisions, 1 observations';
comment on column log.streams.version is 'version of its newest event so far';
comment on column log.streams.hash is 'hash of that event';

create table log.folded (
    position bigint not null,
    progress bigint not null check (progress >= position)
);
comment on table log.folded is 'one row: how far log.streams goes';
comment on column log.folded.position is 'end of the last partition that is folded wholly, or 0';
comment on column log.folded.progress is 'how far the next partition is folded';
insert into log.folded values (0, 0);

reset role;

grant usage on schema log to tga_command, tga_query, tga_projector;
grant select, update on log.head to tga_command;
grant select, insert on log.events to tga_command;
grant select, insert, update on log.streams to tga_command;
grant select, update on log.folded to tga_command;
grant execute on function log.ensure_partition(bigint) to tga_command;
-- Everything but metadata: no reader sees the hash of a credential.
grant select (position, version, auth_prev, recorded_at, stream, schema_version, event_id, org_id, type,
    subject, actor, correlation_id, prev_hash, hash, data) on log.events to tga_query, tga_projector;
grant select on log.head to tga_query, tga_projector;
