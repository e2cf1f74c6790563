-- The kill switch: what is and was stopped. Times are in microseconds.
INSERT INTO revision (name, value) VALUES ('kill_switches', 0);

CREATE TABLE kill_switch (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    ends_at BIGINT,
    released_at BIGINT,
    document TEXT NOT NULL
);
CREATE INDEX kill_switch_engaged ON kill_switch (ends_at) WHERE released_at IS NULL;

-- Which node has it in force, since when by its own clock.
CREATE TABLE kill_switch_confirmation (
    id TEXT COLLATE "C" NOT NULL REFERENCES kill_switch (id) ON DELETE CASCADE,
    node TEXT COLLATE "C" NOT NULL,
    confirmed_at BIGINT NOT NULL,
    PRIMARY KEY (id, node)
);
