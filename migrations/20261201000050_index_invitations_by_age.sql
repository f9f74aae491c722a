set role tga_owner;

-- For the newest of an address.
create index invitations_invitee_created_at on auth.invitations (invitee_id, created_at);
drop index auth.invitations_invitee;

reset role;
