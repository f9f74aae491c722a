-- For lists of creators by handle, case aside.
CREATE INDEX creators_by_handle ON creators (project_id, lower(handle COLLATE "C"), creator_id)
    WHERE status = 'active';
