-- Counters that grow with every change of a group of aggregates.
CREATE TABLE revision (
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
INSERT INTO revision (name, value)
VALUES ('connectors', 0), ('reviews', 0), ('policies', 0), ('identity', 0);

CREATE TABLE connector (
    name TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;

-- Reviews and definitions may exist before their connector does (connectors of the configuration file),
-- so there is no foreign key; removing a connector removes them in the same transaction.
CREATE TABLE review (
    connector TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    definition TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (connector, kind, name)
) STRICT;

-- `served` is the reviews revision at which the definition became the one served.
CREATE TABLE seen_definition (
    connector TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    raw TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    served INTEGER NOT NULL,
    PRIMARY KEY (connector, kind, name, digest)
) STRICT;

CREATE TABLE policy_set (
    version INTEGER NOT NULL PRIMARY KEY,
    document TEXT NOT NULL
) STRICT;

CREATE TABLE policy_activation (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    version INTEGER NOT NULL REFERENCES policy_set (version),
    activated_by TEXT NOT NULL,
    activated_at TEXT NOT NULL
) STRICT;

CREATE TABLE service_account (
    name TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL,
    suspended_at TEXT
) STRICT;

CREATE TABLE service_key (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL REFERENCES service_account (name),
    document TEXT NOT NULL,
    revoked_at TEXT,
    last_used_at INTEGER
) STRICT;
CREATE INDEX service_key_account ON service_key (account, position);

CREATE TABLE administrator_token (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    revoked_at TEXT
) STRICT;

-- The index of the audit journal: slim rows for filtering, names as numbers, bodies apart.
CREATE TABLE audit_term (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    term TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE audit_record (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL,
    node INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    time INTEGER NOT NULL,
    event INTEGER NOT NULL,
    caller INTEGER,
    client INTEGER,
    connector INTEGER,
    target INTEGER,
    class INTEGER,
    status INTEGER,
    correlation TEXT NOT NULL,
    call BLOB,
    UNIQUE (node, sequence)
) STRICT;
-- Each ends with the row's position, which SQLite adds to every index by itself.
CREATE INDEX audit_record_id ON audit_record (id);
CREATE INDEX audit_record_time ON audit_record (time);
CREATE INDEX audit_record_caller ON audit_record (caller, time);
CREATE INDEX audit_record_caller_target ON audit_record (caller, target, time);
CREATE INDEX audit_record_target ON audit_record (target, time);
CREATE INDEX audit_record_client ON audit_record (client, time);
CREATE INDEX audit_record_connector ON audit_record (connector, time);
CREATE INDEX audit_record_status ON audit_record (status, time);
CREATE INDEX audit_record_event ON audit_record (event, time);
CREATE INDEX audit_record_correlation ON audit_record (correlation, time);
CREATE INDEX audit_record_call ON audit_record (call, time);

CREATE TABLE audit_body (
    position INTEGER PRIMARY KEY REFERENCES audit_record (position) ON DELETE CASCADE,
    body TEXT NOT NULL,
    haystack TEXT NOT NULL
) STRICT;

-- Which records hold which pairs of characters, for free text: Japanese has no spaces, and words of two
-- characters are usual, so that an index of words or of three characters would miss them.
CREATE VIRTUAL TABLE audit_grams USING fts5 (
    grams, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);
CREATE TRIGGER audit_record_deleted AFTER DELETE ON audit_record
BEGIN
    DELETE FROM audit_grams WHERE rowid = old.position;
END;

-- Intents whose outcome has not come yet: what a restart must close as "outcome unknown".
CREATE TABLE audit_open_intent (
    node INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    call BLOB NOT NULL,
    PRIMARY KEY (node, sequence)
) STRICT;
CREATE INDEX audit_open_intent_call ON audit_open_intent (node, call);
