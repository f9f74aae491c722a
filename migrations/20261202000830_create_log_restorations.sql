set role tga_owner;

create table log.restorations (
    epoch uuid not null,
    former uuid not null,
    tree_size bigint not null check (tree_size >= 0),
    known bigint not null check (known >= 0),
    restored_at timestamptz not null,
    public_key text,
    note text,
    check ((public_key is null) = (note is null))
);
comment on table log.restorations is
    'what `log restored` says of lives of the log that ended with a restore; append-only. Without it a new epoch is not signed';
comment on column log.restorations.epoch is 'life that began';
comment on column log.restorations.former is 'life that ended';
comment on column log.restorations.tree_size is 'events that both lives have in common';
comment on column log.restorations.known is 'largest signed size of the former life that was known';
comment on column log.restorations.public_key is 'by which the note is verified; null: no key was at hand, and a later row has the note';
comment on column log.restorations.note is 'the signed note';
create unique index restorations_noted on log.restorations (epoch, former) where note is null;
create unique index restorations_signed on log.restorations (epoch, former) where note is not null;

create trigger append_only before update or delete or truncate on log.restorations
    for each statement execute function log.refuse_change();
alter table log.restorations enable always trigger append_only;

reset role;

grant select on log.restorations to tga_command;
