set role tga_owner;

create table gate.settlements (
    position bigint primary key,
    effective_at timestamptz not null
);
comment on table gate.settlements is 'when denials were in force everywhere, as their barriers found; the first one holds';
comment on column gate.settlements.position is 'the event that denied';
comment on column gate.settlements.effective_at is 'when no replica accepted any more what it denied';

reset role;

grant select, insert on gate.settlements to tga_command;
grant select on gate.settlements to tga_query;
