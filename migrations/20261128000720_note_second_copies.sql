set role tga_owner;

alter table gate.head add column copied bigint not null default 0;
comment on column gate.head.copied is 'every denial up to this position is durable in a revocation ledger, if there are any';

reset role;

grant update (copied) on gate.head to tga_command;
