-- Not concurrently: the table holds a row for each org and day of a quarter, and whoever migrates at the same time waits with
-- a snapshot, for which an index that is made concurrently would wait in turn.
set role tga_owner;

create index quota_day on gate.quota (day);

reset role;
