-- Legal holds and deletions on request. `steps` counts what was done with one, so that of two at a time one wins.
CREATE TABLE retention_order (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    ended INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX retention_order_open ON retention_order (id) WHERE ended = 0;
