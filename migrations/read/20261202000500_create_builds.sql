-- The same version may be built again beside the tables that answer, and take their place: its
-- first build stands in read_4, further ones in read_4_b2, read_4_b3, and so on.
--
-- Every build runs this, and questions read read.versions: only the first one alters it, and whatever
-- waits for a long question keeps others waiting for a moment only, however often it tries.
DO $$
DECLARE
    attempts integer := 0;
BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'read.versions'::regclass
                   AND attname = 'changes' AND NOT attisdropped) THEN
        RETURN;
    END IF;
    LOOP
        BEGIN
            SET LOCAL lock_timeout = '100ms';
            ALTER TABLE read.versions
                ADD COLUMN IF NOT EXISTS build integer NOT NULL DEFAULT 1 CHECK (build > 0),
                ADD COLUMN IF NOT EXISTS builds integer NOT NULL DEFAULT 1 CHECK (builds > 0),
                ADD COLUMN IF NOT EXISTS changes bigint NOT NULL DEFAULT 0;
            SET LOCAL lock_timeout TO DEFAULT;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            -- Whoever makes the build begins anew then.
            IF attempts >= 60 THEN
                RAISE;
            END IF;
            attempts := attempts + 1;
            PERFORM pg_sleep(0.5);
        END;
    END LOOP;
    COMMENT ON COLUMN read.versions.build IS
        'The build that answers; all other columns but builds are about it.';
    COMMENT ON COLUMN read.versions.builds IS
        'Number of the newest build so far: none is used twice.';
    COMMENT ON COLUMN read.versions.changes IS
        'How often rows changed though no event says so: each time kept answers are void.';
END $$;

CREATE TABLE IF NOT EXISTS read.builds (
    version      integer NOT NULL REFERENCES read.versions ON DELETE CASCADE,
    build        integer NOT NULL CHECK (build > 0),
    -- As in read.versions.
    position     bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
    hash         bytea CHECK (octet_length(hash) = 32),
    log_epoch    uuid,
    started_at   timestamptz NOT NULL,
    caught_up_at timestamptz,
    PRIMARY KEY (version, build)
);
COMMENT ON TABLE read.builds IS 'Builds beside the one that answers.';
