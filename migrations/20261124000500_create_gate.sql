create schema gate authorization tga_owner;
set role tga_owner;

create table gate.credentials (
    hash bytea not null primary key check (length(hash) = 32),
    id uuid not null unique,
    org_id uuid not null,
    kind smallint not null,
    status smallint not null,
    scopes smallint not null,
    strict boolean not null,
    owner_id uuid,
    owner_banned boolean not null,
    rate_limit_per_minute bigint not null check (rate_limit_per_minute > 0),
    ip_allowlist cidr[],
    expires_at timestamptz,
    overlap_ends_at timestamptz,
    position bigint not null
) with (fillfactor = 90);
comment on table gate.credentials is 'who may call; written by the append of the event that says so, rows are never deleted';
comment on column gate.credentials.hash is 'SHA-256 of the whole credential';
comment on column gate.credentials.id is 'the key or session, as events name it';
comment on column gate.credentials.org_id is 'whose it is';
comment on column gate.credentials.kind is '1 API key, 2 session';
comment on column gate.credentials.status is '1 active, 2 rotating (replaced, accepted until overlap_ends_at), 3 ended for good';
comment on column gate.credentials.scopes is 'one bit each: 1 read, 2 write, 4 keys, 8 ingest, 16 audit, 32 admin';
comment on column gate.credentials.strict is 'whether every request is checked on the primary';
comment on column gate.credentials.owner_id is 'the person behind it';
comment on column gate.credentials.owner_banned is 'whether the operator shut that person out of the org';
comment on column gate.credentials.rate_limit_per_minute is 'requests in any trailing 60 s';
comment on column gate.credentials.ip_allowlist is 'from where it may call; null: anywhere. Functions give it as text[]';
comment on column gate.credentials.expires_at is 'when it ends by itself; null: never';
comment on column gate.credentials.overlap_ends_at is 'when a replaced key ends; it ends at the earlier of the two';
comment on column gate.credentials.position is 'the newest event that changed the row';
create index credentials_owner on gate.credentials (org_id, owner_id) where owner_id is not null;

create table gate.orgs (
    org_id uuid not null primary key,
    plan text not null,
    requests_per_day bigint,
    requests_per_minute_per_key bigint,
    suspended boolean not null,
    position bigint not null
) with (fillfactor = 90);
comment on table gate.orgs is 'what the gate must know of an org; written by the append of the event that says so';
comment on column gate.orgs.org_id is 'the org';
comment on column gate.orgs.plan is 'stable name of its plan';
comment on column gate.orgs.requests_per_day is 'the operator''s number for max_api_requests_per_day; null: the plan''s';
comment on column gate.orgs.requests_per_minute_per_key is 'the operator''s number for max_requests_per_minute_per_key; null: the plan''s';
comment on column gate.orgs.suspended is 'whether nobody may call for it';
comment on column gate.orgs.position is 'the newest event that changed the row';

create table gate.bans (
    org_id uuid not null,
    user_id uuid not null,
    primary key (org_id, user_id)
);
comment on table gate.bans is 'persons the operator shut out of an org; credentials made later are born banned';
comment on column gate.bans.org_id is 'the org';
comment on column gate.bans.user_id is 'the person';

create table gate.leases (
    incarnation uuid not null primary key,
    replica text not null,
    lease_ms integer not null check (lease_ms > 0),
    renew_seq bigint not null default 0,
    applied_position bigint not null,
    epoch uuid not null,
    ack_key bytea not null
) with (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
comment on table gate.leases is 'replicas that may trust their cache (revocation.md 5.1); logged, durable before use';
comment on column gate.leases.incarnation is 'one run of a query service';
comment on column gate.leases.replica is 'its name, for people';
comment on column gate.leases.lease_ms is 'its lease term D';
comment on column gate.leases.renew_seq is 'grows with each renewal';
comment on column gate.leases.applied_position is 'the auth event up to which it had applied all when it last renewed';
comment on column gate.leases.epoch is 'the log''s epoch it registered in';
comment on column gate.leases.ack_key is 'key of the MAC of its acknowledgements';

-- One row, read and written a few times a second, so it needs no index either.
create table gate.head (
    settled bigint not null,
    lease_max_ms integer not null check (lease_max_ms > 0),
    bus_key bytea not null check (length(bus_key) = 32)
) with (fillfactor = 10);
comment on table gate.head is 'one row: what holds for all replicas';
comment on column gate.head.settled is 'every denial up to this position is in force everywhere';
comment on column gate.head.lease_max_ms is 'longest lease term that may register; raised before any replica''s D is';
comment on column gate.head.bus_key is 'key of the MAC of plain auth events and settlements';
insert into gate.head values (
    0, 2000, decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')
);

create table gate.quota (
    org_id uuid not null,
    day date not null,
    reserved bigint not null check (reserved >= 0),
    primary key (org_id, day)
) with (fillfactor = 50);
comment on table gate.quota is 'requests of an org''s day handed out to processes in blocks';
comment on column gate.quota.org_id is 'the org';
comment on column gate.quota.day is 'UTC day, named by Postgres';
comment on column gate.quota.reserved is 'requests handed out so far; never above the limit';

create table gate.usage (
    credential_id uuid not null,
    day date not null,
    org_id uuid not null,
    requests bigint not null check (requests >= 0),
    refused bigint not null check (refused >= 0),
    last_used_at timestamptz not null,
    primary key (credential_id, day)
) with (fillfactor = 70);
comment on table gate.usage is 'requests by credential and UTC day, folded in memory and flushed once a minute';
comment on column gate.usage.credential_id is 'the key or session';
comment on column gate.usage.day is 'UTC day';
comment on column gate.usage.org_id is 'whose it is';
comment on column gate.usage.requests is 'requests admitted';
comment on column gate.usage.refused is 'requests refused with 429';
comment on column gate.usage.last_used_at is 'the newest request; only moves forward';
create index usage_org_day on gate.usage (org_id, day);

reset role;

grant usage on schema gate to tga_command, tga_query, tga_projector;
grant select, insert, update on gate.credentials, gate.orgs to tga_command;
grant select, insert, delete on gate.bans to tga_command;
grant select, delete on gate.leases to tga_command;
grant select on gate.head to tga_command;
grant update (settled) on gate.head to tga_command;
grant select on gate.usage to tga_command, tga_query;
