-- Searches of the audit log that people keep.
CREATE TABLE saved_search (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    owner TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    shared BIGINT NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (owner, name)
);
