set role tga_owner;

create table auth.users (
    id uuid not null primary key,
    email text not null unique,
    name text not null,
    password_hash text not null,
    last_org_id uuid,
    created_at timestamptz not null
);
comment on table auth.users is 'people; the log names them by their ids alone, so deleting a row erases a person';
comment on column auth.users.id is 'the person, as events name them';
comment on column auth.users.email is 'their address, folded: one person an address';
comment on column auth.users.name is 'what others call them';
comment on column auth.users.password_hash is 'argon2id, in PHC form';
comment on column auth.users.last_org_id is 'the org they last opened a session in';
comment on column auth.users.created_at is 'when the row was made';

create table auth.invitees (
    id uuid not null primary key,
    org_id uuid not null,
    email text not null,
    unique (org_id, email)
);
comment on table auth.invitees is 'addresses that orgs invited; deleting a row erases the address';
comment on column auth.invitees.id is 'the address, as the events of this org name it';
comment on column auth.invitees.org_id is 'whose invitations';
comment on column auth.invitees.email is 'the address, folded';
create index invitees_email on auth.invitees (email);

create table auth.invitations (
    id uuid not null primary key,
    invitee_id uuid not null references auth.invitees (id) on delete cascade,
    token_hash bytea not null unique check (length(token_hash) = 32),
    created_at timestamptz not null
);
comment on table auth.invitations is 'invitations, written before the event that names them; what became of them the log says';
comment on column auth.invitations.id is 'the invitation, as events name it';
comment on column auth.invitations.invitee_id is 'to whom';
comment on column auth.invitations.token_hash is 'SHA-256 of the token in the link';
comment on column auth.invitations.created_at is 'when the row was made';
create index invitations_invitee on auth.invitations (invitee_id);

create table auth.sessions (
    id uuid not null primary key,
    org_id uuid not null,
    user_id uuid not null references auth.users (id) on delete cascade,
    ip text not null,
    user_agent text,
    created_at timestamptz not null
);
comment on table auth.sessions is 'from where people signed in, written before the event that names the session; kept for a month';
comment on column auth.sessions.id is 'the session, as events name it';
comment on column auth.sessions.org_id is 'the org it is for';
comment on column auth.sessions.user_id is 'whose it is';
comment on column auth.sessions.ip is 'the address it was opened from';
comment on column auth.sessions.user_agent is 'what the client said it is';
comment on column auth.sessions.created_at is 'when the row was made';
create index sessions_user on auth.sessions (user_id);
create index sessions_created_at on auth.sessions (created_at);

create table auth.setup_tokens (
    token_hash bytea not null primary key check (length(token_hash) = 32),
    expires_at timestamptz not null,
    claimed_until timestamptz not null default '-infinity'
);
comment on table auth.setup_tokens is 'what makes the first org and its admin, while nobody belongs to any org';
comment on column auth.setup_tokens.token_hash is 'SHA-256 of the token';
comment on column auth.setup_tokens.expires_at is 'after this it is worth nothing';
comment on column auth.setup_tokens.claimed_until is 'until then one request has it for itself';

reset role;

grant select, insert, update, delete on auth.users, auth.invitees, auth.invitations, auth.sessions, auth.setup_tokens
    to tga_command;
