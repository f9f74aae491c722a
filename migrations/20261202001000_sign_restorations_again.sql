set role tga_owner;

-- After the log's key was replaced, what was signed with the former one is signed again.
create unique index restorations_signed_once on log.restorations (epoch, former, public_key)
    where note is not null;
drop index log.restorations_signed;
comment on column log.restorations.public_key is
    'by which the note is verified; null: no key was at hand, and a later row has the note. Each key signs once';

reset role;
