-- False alarms of inspection, as people report them.
CREATE TABLE false_alarm (
    id TEXT NOT NULL PRIMARY KEY,
    correlation TEXT NOT NULL,
    principal TEXT NOT NULL,
    state TEXT NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (correlation, principal)
) STRICT;
CREATE INDEX false_alarm_state ON false_alarm (state, id);
