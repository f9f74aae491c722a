set role tga_owner;

create table log.idempotency (
    org_id uuid not null,
    key text not null check (length(key) between 1 and 255),
    route text not null,
    fingerprint bytea not null,
    status smallint not null,
    answer bytea not null,
    first_position bigint not null,
    last_position bigint not null,
    recorded_at timestamptz not null,
    primary key (org_id, key)
);
comment on table log.idempotency is 'answers by Idempotency-Key, written in the transaction that appended; kept 24 h';
comment on column log.idempotency.org_id is 'whose it is';
comment on column log.idempotency.key is 'the header''s value';
comment on column log.idempotency.route is 'method and path it was first used on';
comment on column log.idempotency.fingerprint is 'SHA-256 of the request''s body';
comment on column log.idempotency.status is 'HTTP status of the answer';
comment on column log.idempotency.answer is 'body of the answer, secrets left out';
comment on column log.idempotency.first_position is 'first event of the append; above last_position if it had none';
comment on column log.idempotency.last_position is 'last event of the append, or the head if it had none';
comment on column log.idempotency.recorded_at is 'when; 24 h later the key is free again';
create index idempotency_recorded_at on log.idempotency (recorded_at);

create table log.snapshots (
    org_id uuid not null,
    format smallint not null,
    version bigint not null,
    position bigint not null,
    state bytea not null,
    primary key (org_id, format)
);
comment on table log.snapshots is 'newest folded state of an org by format; only saves time, may be lost';
comment on column log.snapshots.org_id is 'whose it is';
comment on column log.snapshots.format is 'number of the form of state; builds of two versions each keep their own';
comment on column log.snapshots.version is 'version of the stream of decisions that is folded in';
comment on column log.snapshots.position is 'position of the last event that is folded in';
comment on column log.snapshots.state is 'zstd';

create table log.reading_keys (
    org_id uuid not null,
    kind smallint not null,
    subject uuid not null,
    observed_at timestamptz not null,
    position bigint not null,
    carries smallint not null,
    digest bytea not null,
    primary key (org_id, kind, subject, observed_at)
);
comment on table log.reading_keys is 'every reading of the log, to tell a new one from a duplicate and to find the newest';
comment on column log.reading_keys.org_id is 'whose it is';
comment on column log.reading_keys.kind is '1 video_stats, 2 video, 3 creator_profile, 4 comment';
comment on column log.reading_keys.subject is 'the video, creator or comment';
comment on column log.reading_keys.observed_at is 'when it was read outside';
comment on column log.reading_keys.position is 'the event that holds it; of two with equal keys the last received';
comment on column log.reading_keys.carries is 'which optional fields it has, one bit each';
comment on column log.reading_keys.digest is 'SHA-256 of its canonical form: equal is a duplicate';

reset role;

grant select, insert, update, delete on log.idempotency to tga_command;
grant select, insert, update on log.snapshots to tga_command;
grant select, insert, update on log.reading_keys to tga_command;
