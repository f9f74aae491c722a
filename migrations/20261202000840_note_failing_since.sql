set role tga_owner;

alter table hooks.endpoints add column failing_since timestamptz;
comment on column hooks.endpoints.failing_since is
    'when the first attempt began of those that failed since the last that did not; none: the last did not, or a build before the column counted it';

reset role;
