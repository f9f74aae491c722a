set role tga_owner;

create table gate.replayed (
    event_id uuid primary key
);
comment on table gate.replayed is 'denials of former lives of the log, lost with a restore, that a replay of the ledgers has dealt with';
comment on column gate.replayed.event_id is 'the event as the ledger has it; the log has another one in its place, or none if there was nothing to deny';

reset role;

grant select on gate.replayed to tga_command;
