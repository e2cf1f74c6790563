-- The kill switch: what is and was stopped. Times are in microseconds.
INSERT INTO revision (name, value) VALUES ('kill_switches', 0);

CREATE TABLE kill_switch (
    id TEXT NOT NULL PRIMARY KEY,
    ends_at INTEGER,
    released_at INTEGER,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX kill_switch_engaged ON kill_switch (ends_at) WHERE released_at IS NULL;

-- Which node has it in force, since when by its own clock.
CREATE TABLE kill_switch_confirmation (
    id TEXT NOT NULL REFERENCES kill_switch (id) ON DELETE CASCADE,
    node TEXT NOT NULL,
    confirmed_at INTEGER NOT NULL,
    PRIMARY KEY (id, node)
) STRICT;
