-- Legal holds and deletions on request. `steps` counts what was done with one, so that of two at a time one wins.
CREATE TABLE retention_order (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    ended BIGINT NOT NULL,
    steps BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX retention_order_open ON retention_order (id) WHERE ended = 0;
