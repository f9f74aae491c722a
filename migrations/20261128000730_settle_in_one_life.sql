set role tga_owner;

-- Each first takes the row that whoever begins a new life of the log changes too, and looks at the
-- life in a statement of its own: so what was found out in a former life is noted before it ended or
-- not at all. A plain update that waits for the row would not look again.
create function gate.settle(life uuid, up_to bigint, at timestamptz) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog as $$
begin
    perform from gate.head for update;
    if not exists (select from log.head l where l.epoch = life) then
        return false;
    end if;
    insert into gate.settlements (position, effective_at) values (up_to, at)
        on conflict (position) do nothing;
    update gate.head set settled = up_to where settled < up_to;
    return true;
end
$$;
comment on function gate.settle(uuid, bigint, timestamptz) is 'B6: every denial of this life up to there is in force everywhere; false if the log has begun another life';

create function gate.note_copies(life uuid, up_to bigint) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog as $$
begin
    perform from gate.head for update;
    if not exists (select from log.head l where l.epoch = life) then
        return false;
    end if;
    update gate.head set copied = up_to where copied < up_to;
    return true;
end
$$;
comment on function gate.note_copies(uuid, bigint) is 'every denial of this life up to there is in a revocation ledger; false if the log has begun another life';

revoke execute on function gate.settle(uuid, bigint, timestamptz), gate.note_copies(uuid, bigint) from public;
reset role;

grant execute on function gate.settle(uuid, bigint, timestamptz), gate.note_copies(uuid, bigint) to tga_command;
