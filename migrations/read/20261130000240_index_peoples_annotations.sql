-- For the limit on annotations of people: a project may have far more of the system.
CREATE INDEX annotations_of_people ON annotations (project_id) WHERE NOT removed AND source = 'user';
