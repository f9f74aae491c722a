-- Roll-ups of creators and projects by quarter hours of UTC: fine enough for any zone, since all
-- offsets since 2005 are multiples of 15 minutes. For each count three numbers, null standing for
-- zero: `delta` is the sum of (reading - reading before it) over readings taken in the slot,
-- `base` the sum of first readings ever (baselines) taken in it, `firsts` how many those were.
--
-- A creator's slots hold their counted videos; a project's hold those of its creators that were
-- not removed and of its direct adds.
CREATE TABLE slots (
    -- A creator or a project.
    unit_id          uuid NOT NULL,
    -- Quarter hours since 1970.
    slot             integer NOT NULL,
    org_id           uuid NOT NULL,
    -- Counted videos posted in the slot.
    posts            integer,
    views_firsts     integer,
    likes_firsts     integer,
    comments_firsts  integer,
    shares_firsts    integer,
    saves_firsts     integer,
    followers_firsts integer,
    views_delta      bigint,
    views_base       bigint,
    likes_delta      bigint,
    likes_base       bigint,
    comments_delta   bigint,
    comments_base    bigint,
    shares_delta     bigint,
    shares_base      bigint,
    saves_delta      bigint,
    saves_base       bigint,
    followers_delta  bigint,
    followers_base   bigint,
    PRIMARY KEY (unit_id, slot)
) WITH (fillfactor = 90);

-- A row as the projector sends it: an array of these is unnested several times as fast as an array
-- for each column.
CREATE TYPE slot_row AS (
    unit_id          uuid,
    slot             integer,
    org_id           uuid,
    posts            integer,
    views_firsts     integer,
    likes_firsts     integer,
    comments_firsts  integer,
    shares_firsts    integer,
    saves_firsts     integer,
    followers_firsts integer,
    views_delta      bigint,
    views_base       bigint,
    likes_delta      bigint,
    likes_base       bigint,
    comments_delta   bigint,
    comments_base    bigint,
    shares_delta     bigint,
    shares_base      bigint,
    saves_delta      bigint,
    saves_base       bigint,
    followers_delta  bigint,
    followers_base   bigint
);

-- The sum, null for zero. Held within 62 bits, so that it never overflows: sums of readings come
-- nowhere near, unless readings are absurd, and those must not stop the projection.
CREATE FUNCTION slot_sum(a bigint, b bigint) RETURNS bigint IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT nullif(least(greatest(coalesce(a, 0) + coalesce(b, 0), -4611686018427387903),
                        4611686018427387903), 0)
$$;

CREATE FUNCTION slot_sum(a integer, b integer) RETURNS integer IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT nullif(coalesce(a, 0) + coalesce(b, 0), 0)
$$;
