-- Text compares by bytes, as in SQLite, so that both list and page alike.

-- Counters that grow with every change of a group of aggregates.
CREATE TABLE revision (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO revision (name, value)
VALUES ('connectors', 0), ('reviews', 0), ('policies', 0), ('identity', 0);

CREATE TABLE connector (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    document TEXT COLLATE "C" NOT NULL
);

-- Reviews and definitions may exist before their connector does (connectors of the configuration file),
-- so there is no foreign key; removing a connector removes them in the same transaction.
CREATE TABLE review (
    connector TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    definition TEXT COLLATE "C" NOT NULL,
    document TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (connector, kind, name)
);

-- `served` is the reviews revision at which the definition became the one served.
CREATE TABLE seen_definition (
    connector TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    raw TEXT COLLATE "C" NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    served BIGINT NOT NULL,
    PRIMARY KEY (connector, kind, name, digest)
);

CREATE TABLE policy_set (
    version BIGINT NOT NULL PRIMARY KEY,
    document TEXT COLLATE "C" NOT NULL
);

CREATE TABLE policy_activation (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version BIGINT NOT NULL REFERENCES policy_set (version),
    activated_by TEXT COLLATE "C" NOT NULL,
    activated_at TEXT COLLATE "C" NOT NULL
);

CREATE TABLE service_account (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    document TEXT COLLATE "C" NOT NULL,
    suspended_at TEXT COLLATE "C"
);

CREATE TABLE service_key (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    account TEXT COLLATE "C" NOT NULL REFERENCES service_account (name),
    document TEXT COLLATE "C" NOT NULL,
    revoked_at TEXT COLLATE "C",
    last_used_at BIGINT
);
CREATE INDEX service_key_account ON service_key (account, position);

CREATE TABLE administrator_token (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest TEXT COLLATE "C" NOT NULL UNIQUE,
    name TEXT COLLATE "C" NOT NULL,
    created_at TEXT COLLATE "C" NOT NULL,
    expires_at TEXT COLLATE "C" NOT NULL,
    revoked_at TEXT COLLATE "C"
);

-- The index of the audit journal: slim rows for filtering, names as numbers, bodies apart.
CREATE TABLE audit_term (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    term TEXT COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE audit_record (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id BYTEA NOT NULL,
    node BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    time BIGINT NOT NULL,
    event BIGINT NOT NULL,
    caller BIGINT,
    client BIGINT,
    connector BIGINT,
    target BIGINT,
    class BIGINT,
    status BIGINT,
    correlation TEXT COLLATE "C" NOT NULL,
    call BYTEA,
    UNIQUE (node, sequence)
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
CREATE INDEX audit_record_call ON audit_record (call, time, position);

CREATE TABLE audit_body (
    position BIGINT PRIMARY KEY REFERENCES audit_record (position) ON DELETE CASCADE,
    body TEXT COLLATE "C" NOT NULL,
    haystack TEXT COLLATE "C" NOT NULL
);

-- Which records hold which pairs of characters, for free text: Japanese has no spaces, and words of two
-- characters are usual, so that an index of words or of three characters would miss them.
CREATE TABLE audit_grams (
    position BIGINT PRIMARY KEY REFERENCES audit_record (position) ON DELETE CASCADE,
    grams TSVECTOR NOT NULL
);
CREATE INDEX audit_grams_grams ON audit_grams USING gin (grams);

-- Intents whose outcome has not come yet: what a restart must close as "outcome unknown".
CREATE TABLE audit_open_intent (
    node BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    call BYTEA NOT NULL,
    PRIMARY KEY (node, sequence)
);
CREATE INDEX audit_open_intent_call ON audit_open_intent (node, call);
