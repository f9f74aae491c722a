create schema auth authorization tga_owner;
set role tga_owner;

create table auth.subject_keys (
    org_id uuid not null,
    subject uuid not null,
    key bytea not null check (length(key) = 32),
    primary key (org_id, subject)
);
comment on table auth.subject_keys is 'keys of the personal data in events, one a subject; deleting a row erases the data';
comment on column auth.subject_keys.org_id is 'whose it is';
comment on column auth.subject_keys.subject is 'the creator or comment';
comment on column auth.subject_keys.key is '32 random bytes';

reset role;

grant usage on schema auth to tga_command, tga_query, tga_projector;
grant select, insert, delete on auth.subject_keys to tga_command;
grant select on auth.subject_keys to tga_query, tga_projector;
