set role tga_owner;

-- A second wall under the audit trail's own predicates: whoever reads here sees the events of the org
-- named in the setting tga.org_id and, where none is named, nothing. It reads as its owner, so it needs
-- no right on log.events, and what may leak is asked only of rows that passed.
create view log.org_events with (security_barrier = true) as
    select position, version, auth_prev, recorded_at, stream, schema_version, event_id, org_id, type,
        subject, actor, correlation_id, prev_hash, hash, data
    from log.events
    where org_id = (select nullif(current_setting('tga.org_id', true), '')::uuid);
comment on view log.org_events is 'log.events of the org named in the setting tga.org_id, without metadata';

reset role;

-- A process that serves both sides reads by the connection that appends.
grant select on log.org_events to tga_query, tga_command;
