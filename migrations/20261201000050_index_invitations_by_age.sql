set role tga_owner;

-- For the newest of an address, and for those to be forgotten.
create index invitations_invitee_created_at on auth.invitations (invitee_id, created_at);
create index invitations_created_at on auth.invitations (created_at);
drop index auth.invitations_invitee;

reset role;
