-- How far each node's journal was told to each sink.
CREATE TABLE audit_sink (
    node TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    cursor_at BIGINT NOT NULL,
    delivered_at TEXT,
    problem TEXT,
    dead_letters BIGINT NOT NULL,
    PRIMARY KEY (node, name)
);
