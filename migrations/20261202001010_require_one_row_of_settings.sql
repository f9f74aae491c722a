set role tga_owner;

alter table log.settings add column one boolean not null default true primary key check (one);
comment on column log.settings.one is 'there is one';

reset role;
