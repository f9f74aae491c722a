-- Groups without a login; login users are made members of one of them. Roles belong to the whole
-- server, so another database may have made them already, or be making them just now.
do $$
declare
    name text;
begin
    foreach name in array array['tga_owner', 'tga_command', 'tga_query', 'tga_projector'] loop
        if not exists (select from pg_roles where rolname = name) then
            begin
                execute format('create role %I nologin', name);
            exception when duplicate_object or unique_violation then
                null;
            end;
        end if;
    end loop;
    -- Who migrates without being a superuser must be able to act as the owner.
    if not pg_has_role(current_user, 'tga_owner', 'member') then
        execute format('grant tga_owner to %I', current_user);
    end if;
    -- Projectors make a schema for every version of the read model.
    execute format('grant create on database %I to tga_projector', current_database());
end
$$;

do $$
begin
    comment on role tga_owner is 'owns every table and function; nobody logs in as it';
    comment on role tga_command is 'command services: append to the log, keep the gate''s tables';
    comment on role tga_query is 'query services: read the log without its secrets, verify credentials';
    comment on role tga_projector is 'projectors: read the log without its secrets, write read_N';
exception when internal_error then
    -- Another database comments on the same roles at this moment.
    null;
end
$$;
