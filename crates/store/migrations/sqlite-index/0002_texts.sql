-- The index made anew, slimmer; each node fills it again from its journal.
DROP TABLE audit_loading;
DROP TABLE audit_open_intent;
DROP TABLE audit_said;
DROP TABLE audit_grams;
DROP TABLE audit_text;
DROP TABLE audit_body;
DROP TABLE audit_record;

-- Slim rows for filtering. The position is the node's number and the sequence in its journal.
CREATE TABLE audit_record (
    position INTEGER PRIMARY KEY,
    -- Half of the record's id.
    id INTEGER NOT NULL,
    time INTEGER NOT NULL,
    event INTEGER NOT NULL,
    caller INTEGER,
    -- The text of what the caller was called then.
    who INTEGER,
    client INTEGER,
    connector INTEGER,
    target INTEGER,
    class INTEGER,
    status INTEGER,
    -- Of the correlation id, the beginning of its digest.
    correlation INTEGER NOT NULL,
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

-- What is found by free text. A text that names a caller or target belongs to that name.
CREATE TABLE audit_text (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    text TEXT NOT NULL,
    caller INTEGER,
    target INTEGER
) STRICT;
CREATE INDEX audit_text_caller ON audit_text (caller) WHERE caller IS NOT NULL;
CREATE INDEX audit_text_target ON audit_text (target) WHERE target IS NOT NULL;

-- How often texts were forgotten: who remembers their numbers looks here first.
CREATE TABLE audit_forgotten (times INTEGER NOT NULL) STRICT;
INSERT INTO audit_forgotten (times) VALUES (0);

-- Which texts hold which runs of three characters: Japanese has no spaces, so that an index of words would
-- miss most of them.
CREATE VIRTUAL TABLE audit_grams USING fts5 (
    grams, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);

-- Which records hold which texts that belong to no name.
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
