-- An event as it is sent to be appended: an array of these is unnested with less work than an array for
-- each column. The texts of `metadata` and `data` become json when they are stored.
set role tga_owner;

create type log.event_row as (
    position bigint,
    version bigint,
    auth_prev bigint,
    stream smallint,
    schema_version smallint,
    event_id uuid,
    org_id uuid,
    type text,
    subject text,
    actor text,
    correlation_id text,
    prev_hash bytea,
    hash bytea,
    metadata text,
    data text
);
comment on type log.event_row is 'an event on its way into log.events';

reset role;
