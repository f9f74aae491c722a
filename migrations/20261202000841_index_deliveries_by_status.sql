-- no-transaction
-- For pages of one status, which may be rare.
create index concurrently deliveries_of_status on hooks.deliveries (webhook_id, status, created_at, delivery_id);
