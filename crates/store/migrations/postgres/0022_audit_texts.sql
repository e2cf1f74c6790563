-- The index of the audit journal, made anew and slimmer: each node fills it again from its journal.
DROP TABLE audit_open_intent;
DROP TABLE audit_said;
DROP TABLE audit_grams;
DROP TABLE audit_text;
DROP TABLE audit_body;
DROP TABLE audit_record;

-- Slim rows for filtering. The position is the node's number and the sequence in its journal.
CREATE TABLE audit_record (
    position BIGINT PRIMARY KEY,
    -- Half of the record's id.
    id BIGINT NOT NULL,
    time BIGINT NOT NULL,
    event BIGINT NOT NULL,
    caller BIGINT,
    -- The text of what the caller was called then.
    who BIGINT,
    client BIGINT,
    connector BIGINT,
    target BIGINT,
    class BIGINT,
    status BIGINT,
    -- Of the correlation id, the beginning of its digest.
    correlation BIGINT NOT NULL,
    call BYTEA
);
-- Each ends with the row's position, so that equal times have an order.
CREATE INDEX audit_record_id ON audit_record (id);
CREATE INDEX audit_record_time ON audit_record (time, position);
CREATE INDEX audit_record_caller ON audit_record (caller, time, position);
CREATE INDEX audit_record_caller_target ON audit_record (caller, target, time, position);
CREATE INDEX audit_record_target ON audit_record (target, time, position);
CREATE INDEX audit_record_client ON audit_record (client, time, position);
CREATE INDEX audit_record_connector ON audit_record (connector, time, position);
CREATE INDEX audit_record_status ON audit_record (status, time, position);
CREATE INDEX audit_record_event ON audit_record (event, time, position);
CREATE INDEX audit_record_correlation ON audit_record (correlation, time, position);
CREATE INDEX audit_record_call ON audit_record (call, time, position) WHERE call IS NOT NULL;

CREATE TABLE audit_body (
    position BIGINT PRIMARY KEY,
    body TEXT COLLATE "C" NOT NULL
);

-- What is found by free text. A text that names a caller or target belongs to that name.
CREATE TABLE audit_text (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    text TEXT COLLATE "C" NOT NULL,
    caller BIGINT,
    target BIGINT
);
CREATE INDEX audit_text_caller ON audit_text (caller) WHERE caller IS NOT NULL;
CREATE INDEX audit_text_target ON audit_text (target) WHERE target IS NOT NULL;

-- How often texts were forgotten: who remembers their numbers looks here first.
CREATE TABLE audit_forgotten (times BIGINT NOT NULL);
INSERT INTO audit_forgotten (times) VALUES (0);

-- Which texts hold which runs of three characters: Japanese has no spaces, so that an index of words would
-- miss most of them.
CREATE TABLE audit_grams (
    text BIGINT PRIMARY KEY REFERENCES audit_text (id) ON DELETE CASCADE,
    grams TSVECTOR NOT NULL
);
CREATE INDEX audit_grams_grams ON audit_grams USING gin (grams);

-- Which records hold which texts that belong to no name.
CREATE TABLE audit_said (
    position BIGINT NOT NULL,
    text BIGINT NOT NULL,
    PRIMARY KEY (position, text)
);
CREATE INDEX audit_said_text ON audit_said (text, position);

-- Intents whose outcome has not come yet: what a restart must close as "outcome unknown".
CREATE TABLE audit_open_intent (
    position BIGINT PRIMARY KEY,
    call BYTEA NOT NULL
);
CREATE INDEX audit_open_intent_call ON audit_open_intent (call);
