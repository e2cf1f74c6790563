-- Requests for people to agree to a call (TOOL-3). `binding` is the digest of the exact call as it may be
-- executed, `asked` that of the call as it was asked for; at most one live request has a binding. `arguments`
-- are sealed; `likeness` is the same for equal calls of anybody.
INSERT INTO revision (name, value) VALUES ('approvals', 0);

CREATE TABLE approval_request (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    requester TEXT NOT NULL,
    binding TEXT NOT NULL,
    asked TEXT NOT NULL,
    likeness TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    document TEXT NOT NULL,
    arguments TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX approval_request_live ON approval_request (binding)
    WHERE state IN ('pending', 'approved');
CREATE INDEX approval_request_binding ON approval_request (binding);
CREATE INDEX approval_request_asked ON approval_request (asked);
CREATE INDEX approval_request_likeness ON approval_request (likeness);
CREATE INDEX approval_request_state ON approval_request (state, expires_at);
CREATE INDEX approval_request_requester ON approval_request (requester);

-- Who decides in whose place while they are away.
CREATE TABLE approval_substitute (
    absent TEXT NOT NULL PRIMARY KEY,
    substitute TEXT NOT NULL,
    from_time INTEGER NOT NULL,
    until_time INTEGER NOT NULL
) STRICT;
CREATE INDEX approval_substitute_substitute ON approval_substitute (substitute);

-- What people are still to be told. `due_at` is moved on while somebody is sending it; without it nobody
-- tries any more.
CREATE TABLE approval_notice (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    request TEXT NOT NULL,
    kind TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    due_at INTEGER,
    problem TEXT
) STRICT;
CREATE INDEX approval_notice_due ON approval_notice (due_at);
