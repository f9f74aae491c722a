set role tga_owner;

-- How many events the streams of one org had when the partitions with them were folded: so a reader of
-- log.org_events knows that some were there although they are not kept online any more.
create view log.org_streams with (security_barrier = true) as
    select org_id, stream, version
    from log.streams
    where org_id = (select nullif(current_setting('tga.org_id', true), '')::uuid);
comment on view log.org_streams is 'log.streams of the org named in the setting tga.org_id';

reset role;

-- A process that serves both sides reads by the connection that appends.
grant select on log.org_streams to tga_query, tga_command;
