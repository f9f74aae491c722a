-- Readings older than the plan's history go; what tells of days before is gone with them, also for a
-- longer plan later.
ALTER TABLE orgs ADD COLUMN pruned_before timestamptz, ADD COLUMN pruned_at timestamptz;
COMMENT ON COLUMN orgs.pruned_before IS
    'Of readings before this only the last of each count stand, or are about to.';
COMMENT ON COLUMN orgs.pruned_at IS 'When the others had gone; null while they go.';
