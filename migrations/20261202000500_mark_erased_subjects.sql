set role tga_owner;

-- Who is erased keeps a row without a key: so no process, however late, makes another key for the same
-- subject, and projections find out whose data to let go of. Services of before this do not know such
-- rows: nobody is to be erased before all are new.
alter table auth.subject_keys alter column key drop not null, add column erased_at timestamptz;
-- Not validated: no row of before has erased_at or lacks its key.
alter table auth.subject_keys add constraint subject_keys_erased
    check ((key is null) = (erased_at is not null)) not valid;
comment on table auth.subject_keys is
    'keys of the personal data in events, one a subject; without its key the data is erased';
comment on column auth.subject_keys.key is '32 random bytes; null once the subject was erased';
comment on column auth.subject_keys.erased_at is 'when the key was destroyed';

reset role;

-- A row that is gone would let the subject have another key.
revoke delete on auth.subject_keys from tga_command;
grant update (key, erased_at) on auth.subject_keys to tga_command;
