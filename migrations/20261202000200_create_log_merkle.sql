set role tga_owner;

create table log.merkle (
    level smallint not null check (level > 0 and level % 8 = 0),
    index bigint not null check (index >= 0),
    hash bytea not null check (length(hash) = 32),
    primary key (level, index)
);
comment on table log.merkle is
    'the tree over all events (RFC 6962): roots of its complete subtrees, every eight levels; append-only. Leaves are the hashes in log.events';
comment on column log.merkle.level is 'height of the subtree: 8 has 256 events, 16 has 65,536';
comment on column log.merkle.index is 'how many subtrees of its height stand before it';
comment on column log.merkle.hash is 'its root';

create table log.checkpoints (
    epoch uuid not null,
    tree_size bigint not null check (tree_size >= 0),
    root bytea not null check (length(root) = 32),
    signed_at timestamptz not null,
    public_key text not null,
    note text not null,
    primary key (tree_size, epoch)
);
comment on table log.checkpoints is 'signed heads of the tree, one for each size that was signed in a life of the log; append-only';
comment on column log.checkpoints.epoch is 'life of the log; a restored log still has the checkpoints of former lives up to where it was restored to';
comment on column log.checkpoints.tree_size is 'events under it: the position of the last';
comment on column log.checkpoints.root is 'root of the tree over them';
comment on column log.checkpoints.signed_at is 'when this size was first signed';
comment on column log.checkpoints.public_key is 'by which the signature is verified, name+id+base64';
comment on column log.checkpoints.note is 'the signed note (c2sp.org/tlog-checkpoint)';

-- A log that stands still is signed anew all the time; its history must not grow by that.
create table log.newest_checkpoint (
    one boolean not null default true primary key check (one),
    epoch uuid not null,
    tree_size bigint not null check (tree_size >= 0),
    root bytea not null check (length(root) = 32),
    signed_at timestamptz not null,
    public_key text not null,
    note text not null
) with (fillfactor = 20);
comment on table log.newest_checkpoint is 'one row at most: the newest signature, of the newest size in log.checkpoints, at most 10 s old while a signer runs';
comment on column log.newest_checkpoint.one is 'there is one';
comment on column log.newest_checkpoint.epoch is 'as in log.checkpoints, so are the others';
comment on column log.newest_checkpoint.signed_at is 'when it was last signed';

do $$
declare
    name text;
begin
    foreach name in array array['merkle', 'checkpoints'] loop
        execute format('create trigger append_only before update or delete or truncate on log.%I
            for each statement execute function log.refuse_change()', name);
        execute format('alter table log.%I enable always trigger append_only', name);
    end loop;
end
$$;

reset role;

grant select, insert on log.merkle, log.checkpoints to tga_command;
grant select, insert, update on log.newest_checkpoint to tga_command;
grant select on log.merkle, log.checkpoints, log.newest_checkpoint to tga_query;
