-- Limits and quotas, and what nodes took of them. Times are in microseconds.
INSERT INTO revision (name, value) VALUES ('limits', 0);

CREATE TABLE call_limit (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    document TEXT NOT NULL
);

-- Millionths of tokens that were left at a time.
CREATE TABLE limit_bucket (
    key TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    tokens BIGINT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX limit_bucket_at ON limit_bucket (at);

-- How many calls at a time a node may make, until when.
CREATE TABLE limit_hold (
    key TEXT COLLATE "C" NOT NULL,
    node TEXT COLLATE "C" NOT NULL,
    slots BIGINT NOT NULL,
    held_until BIGINT NOT NULL,
    PRIMARY KEY (key, node)
);
CREATE INDEX limit_hold_until ON limit_hold (held_until);
