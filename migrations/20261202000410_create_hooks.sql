create schema hooks authorization tga_owner;
set role tga_owner;

create table hooks.cursor (
    one boolean not null primary key default true check (one),
    position bigint not null
);
comment on table hooks.cursor is 'how far the log was read for webhooks: one row';
comment on column hooks.cursor.one is 'true: there is one row';
comment on column hooks.cursor.position is 'position of the last event that was read';
-- No build before this one knows webhooks, so no event up to here is wanted anywhere.
insert into hooks.cursor (position) select position from log.head;

create table hooks.endpoints (
    webhook_id uuid not null primary key,
    org_id uuid not null,
    url text not null,
    types text[] not null,
    enabled boolean not null,
    secret_id uuid not null,
    former_secret_id uuid,
    former_secret_until timestamptz,
    removed_at timestamptz,
    waiting integer not null,
    failures integer not null,
    to_disable text
);
comment on table hooks.endpoints is 'webhooks as they are at the cursor';
comment on column hooks.endpoints.webhook_id is 'the webhook, as events name it';
comment on column hooks.endpoints.org_id is 'whose it is';
comment on column hooks.endpoints.url is 'where deliveries go';
comment on column hooks.endpoints.types is 'patterns of event types; none: every decision';
comment on column hooks.endpoints.enabled is 'whether events are queued and sent';
comment on column hooks.endpoints.secret_id is 'what signs';
comment on column hooks.endpoints.former_secret_id is 'what signs beside it for a while';
comment on column hooks.endpoints.former_secret_until is 'how long';
comment on column hooks.endpoints.removed_at is 'when it was removed: the row stays until its deliveries are deleted';
comment on column hooks.endpoints.waiting is 'deliveries of events that wait';
comment on column hooks.endpoints.failures is 'attempts that failed since the last that did not';
comment on column hooks.endpoints.to_disable is 'why it is to be switched off, until the log says that it is';
create index endpoints_org on hooks.endpoints (org_id) where removed_at is null;
create index endpoints_open on hooks.endpoints (webhook_id) where enabled and removed_at is null and to_disable is null;
create index endpoints_to_disable on hooks.endpoints (webhook_id) where to_disable is not null;

create table hooks.deliveries (
    delivery_id uuid not null primary key,
    webhook_id uuid not null,
    org_id uuid not null,
    position bigint,
    event_id uuid not null,
    event_type text not null,
    subject text not null,
    status text not null check (status in ('pending', 'delivered', 'failed', 'abandoned')),
    ready boolean not null,
    apart boolean not null,
    attempts integer not null,
    tries integer not null,
    next_attempt_at timestamptz,
    last_attempt_at timestamptz,
    last_status smallint,
    last_error text,
    last_answer text,
    created_at timestamptz not null,
    delivered_at timestamptz,
    unique (webhook_id, position)
);
comment on table hooks.deliveries is 'events on their way to webhooks; what they say stands in the log';
comment on column hooks.deliveries.delivery_id is 'the delivery';
comment on column hooks.deliveries.webhook_id is 'to which webhook';
comment on column hooks.deliveries.org_id is 'whose it is';
comment on column hooks.deliveries.position is 'the event''s place in the log; none: a test';
comment on column hooks.deliveries.event_id is 'the event''s id, by which the receiver tells repetitions; of a test one of its own';
comment on column hooks.deliveries.event_type is 'the event''s type, without the prefix of CloudEvents';
comment on column hooks.deliveries.subject is 'what the event is about: deliveries of one subject go one after the other';
comment on column hooks.deliveries.status is 'pending: is to be sent; abandoned: every attempt failed; failed: the one attempt of a test or a repetition did';
comment on column hooks.deliveries.ready is 'no earlier one of its subject is pending';
comment on column hooks.deliveries.apart is 'sent outside the order, once: a test, or repeated by hand';
comment on column hooks.deliveries.attempts is 'how often it was sent';
comment on column hooks.deliveries.tries is 'the same since it was queued, or since the webhook was switched on again: what the next wait depends on';
comment on column hooks.deliveries.next_attempt_at is 'when it is to be sent, while pending';
comment on column hooks.deliveries.last_attempt_at is 'when it was last sent';
comment on column hooks.deliveries.last_status is 'the HTTP status of the last answer; none: there was no answer';
comment on column hooks.deliveries.last_error is 'why the last attempt failed, of a fixed list';
comment on column hooks.deliveries.last_answer is 'how the last answer begins';
comment on column hooks.deliveries.created_at is 'when it was queued';
comment on column hooks.deliveries.delivered_at is 'when it was taken';
create index deliveries_due on hooks.deliveries (webhook_id, next_attempt_at) where status = 'pending' and ready;
create index deliveries_waiting on hooks.deliveries (webhook_id, subject, position) where status = 'pending' and not apart;
create index deliveries_newest on hooks.deliveries (webhook_id, created_at, delivery_id);

reset role;

grant usage on schema hooks to tga_command, tga_query;
grant select, update on hooks.cursor to tga_command;
grant select, insert, update, delete on hooks.endpoints, hooks.deliveries to tga_command;
