-- How far each node's journal was told to each sink.
CREATE TABLE audit_sink (
    node TEXT NOT NULL,
    name TEXT NOT NULL,
    cursor_at INTEGER NOT NULL,
    delivered_at TEXT,
    problem TEXT,
    dead_letters INTEGER NOT NULL,
    PRIMARY KEY (node, name)
) STRICT;
