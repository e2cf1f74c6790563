-- Searches of the audit log that people keep.
CREATE TABLE saved_search (
    id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    shared INTEGER NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (owner, name)
) STRICT;
