-- False alarms of inspection, as people report them.
CREATE TABLE false_alarm (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    correlation TEXT COLLATE "C" NOT NULL,
    principal TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (correlation, principal)
);
CREATE INDEX false_alarm_state ON false_alarm (state, id);
