set role tga_owner;

create table auth.webhook_secrets (
    id uuid not null primary key,
    webhook_id uuid not null,
    secret bytea not null check (length(secret) between 24 and 64),
    created_at timestamptz not null
);
comment on table auth.webhook_secrets is
    'what signs deliveries, written before the event that names it; whoever signs needs the bytes, so no hash would do';
comment on column auth.webhook_secrets.id is 'the secret, as events name it';
comment on column auth.webhook_secrets.webhook_id is 'the webhook that it signs for';
comment on column auth.webhook_secrets.secret is 'random bytes';
comment on column auth.webhook_secrets.created_at is 'when the row was made';
create index webhook_secrets_webhook on auth.webhook_secrets (webhook_id);

reset role;

grant select, insert, delete on auth.webhook_secrets to tga_command;
