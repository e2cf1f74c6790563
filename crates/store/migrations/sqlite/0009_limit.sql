-- Limits and quotas, and what nodes took of them. Times are in microseconds.
INSERT INTO revision (name, value) VALUES ('limits', 0);

CREATE TABLE call_limit (
    name TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL
) STRICT;

-- Millionths of tokens that were left at a time.
CREATE TABLE limit_bucket (
    key TEXT NOT NULL PRIMARY KEY,
    tokens INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX limit_bucket_at ON limit_bucket (at);

-- How many calls at a time a node may make, until when.
CREATE TABLE limit_hold (
    key TEXT NOT NULL,
    node TEXT NOT NULL,
    slots INTEGER NOT NULL,
    held_until INTEGER NOT NULL,
    PRIMARY KEY (key, node)
) STRICT;
CREATE INDEX limit_hold_until ON limit_hold (held_until);
