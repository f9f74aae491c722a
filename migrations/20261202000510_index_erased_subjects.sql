-- no-transaction
-- For who follows erasures.
create index concurrently subject_keys_by_erasure on auth.subject_keys (erased_at, org_id, subject) where erased_at is not null;
