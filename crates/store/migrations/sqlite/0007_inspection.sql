-- The rules of content inspection, and what conversations have read (times in microseconds).
INSERT INTO revision (name, value) VALUES ('inspection', 0);

CREATE TABLE inspection_rules (
    version INTEGER NOT NULL PRIMARY KEY,
    document TEXT NOT NULL
) STRICT;

CREATE TABLE inspection_activation (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    version INTEGER NOT NULL REFERENCES inspection_rules (version),
    activated_by TEXT NOT NULL,
    activated_at TEXT NOT NULL
) STRICT;

CREATE TABLE conversation (
    id TEXT NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX conversation_expires_at ON conversation (expires_at);
