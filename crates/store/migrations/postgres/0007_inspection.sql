-- The rules of content inspection, and what conversations have read (times in microseconds).
INSERT INTO revision (name, value) VALUES ('inspection', 0);

CREATE TABLE inspection_rules (
    version BIGINT NOT NULL PRIMARY KEY,
    document TEXT COLLATE "C" NOT NULL
);

CREATE TABLE inspection_activation (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version BIGINT NOT NULL REFERENCES inspection_rules (version),
    activated_by TEXT COLLATE "C" NOT NULL,
    activated_at TEXT COLLATE "C" NOT NULL
);

CREATE TABLE conversation (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL,
    document TEXT COLLATE "C" NOT NULL
);
CREATE INDEX conversation_expires_at ON conversation (expires_at);
