-- The index of the audit journal, in a file of its own: it can be built again from the journal, so it is
-- neither backed up nor flushed as the rest is, and filling it keeps nobody from writing elsewhere.

-- Names as numbers.
CREATE TABLE audit_term (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    term TEXT NOT NULL UNIQUE
) STRICT;

-- Slim rows for filtering. The position is the node's number and the sequence in its journal.
CREATE TABLE audit_record (
    position INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    time INTEGER NOT NULL,
    event INTEGER NOT NULL,
    caller INTEGER,
    client INTEGER,
    connector INTEGER,
    target INTEGER,
    class INTEGER,
    status INTEGER,
    correlation TEXT NOT NULL,
    call BLOB
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
CREATE INDEX audit_record_call ON audit_record (call, time) WHERE call IS NOT NULL;

CREATE TABLE audit_body (
    position INTEGER PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

-- What is found by free text: each text once, however many records hold it.
CREATE TABLE audit_text (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    text TEXT NOT NULL UNIQUE
) STRICT;

-- Which texts hold which runs of three characters: Japanese has no spaces, so that an index of words would
-- miss most of them.
CREATE VIRTUAL TABLE audit_grams USING fts5 (
    grams, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);

-- Which records hold which texts.
CREATE TABLE audit_said (
    position INTEGER NOT NULL,
    text INTEGER NOT NULL,
    PRIMARY KEY (position, text)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_said_text ON audit_said (text, position);

-- Intents whose outcome has not come yet: what a restart must close as "outcome unknown".
CREATE TABLE audit_open_intent (
    position INTEGER PRIMARY KEY,
    call BLOB NOT NULL
) STRICT;
CREATE INDEX audit_open_intent_call ON audit_open_intent (call);

-- The indexes that wait for many records to be there: while one does, nothing is found.
CREATE TABLE audit_loading (
    name TEXT NOT NULL PRIMARY KEY,
    ddl TEXT NOT NULL
) STRICT;
