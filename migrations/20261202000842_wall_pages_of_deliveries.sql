-- The org is named twice, in the argument and in the setting tga.org_id: one mistake is not enough to be
-- given another org's deliveries. Each status is a walk of its own along the index, so that a rare one
-- is found without those beside it.
set role tga_owner;

create or replace function hooks.page_of_deliveries(
    org uuid, webhook uuid, statuses text[], before_at timestamptz, before_id uuid, most bigint)
returns table (
    delivery_id uuid, webhook_id uuid, "position" bigint, event_id uuid, event_type text, status text, attempts integer,
    next_attempt_at timestamptz, last_attempt_at timestamptz, last_status smallint, last_error text, last_answer text,
    created_at timestamptz, delivered_at timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select d.delivery_id, d.webhook_id, d.position, d.event_id, d.event_type, d.status, d.attempts, d.next_attempt_at,
        d.last_attempt_at, d.last_status, d.last_error, d.last_answer, d.created_at, d.delivered_at
    from (
        select distinct asked.status
        from unnest(coalesce(statuses, array['pending', 'delivered', 'failed', 'abandoned'])) as asked (status)
    ) s
    cross join lateral (
        select * from hooks.deliveries d
        where d.org_id = org and d.webhook_id = webhook and d.status = s.status
            and (d.created_at, d.delivery_id) < (before_at, before_id)
        order by d.created_at desc, d.delivery_id desc
        limit most
    ) d
    where org = nullif(current_setting('tga.org_id', true), '')::uuid
    order by d.created_at desc, d.delivery_id desc
    limit most
$$;
comment on function hooks.page_of_deliveries(uuid, uuid, text[], timestamptz, uuid, bigint) is
    'deliveries to a webhook of the org before a place, newest first; of the org that the setting tga.org_id names too, or none';

reset role;
