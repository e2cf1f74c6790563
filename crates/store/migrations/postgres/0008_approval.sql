-- Requests for people to agree to a call (TOOL-3). `binding` is the digest of the exact call as it may be
-- executed, `asked` that of the call as it was asked for; at most one live request has a binding. `arguments`
-- are sealed; `likeness` is the same for equal calls of anybody.
INSERT INTO revision (name, value) VALUES ('approvals', 0);

CREATE TABLE approval_request (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    version BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    requester TEXT COLLATE "C" NOT NULL,
    binding TEXT COLLATE "C" NOT NULL,
    asked TEXT COLLATE "C" NOT NULL,
    likeness TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    document TEXT COLLATE "C" NOT NULL,
    arguments TEXT COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX approval_request_live ON approval_request (binding)
    WHERE state IN ('pending', 'approved');
CREATE INDEX approval_request_binding ON approval_request (binding);
CREATE INDEX approval_request_asked ON approval_request (asked);
CREATE INDEX approval_request_likeness ON approval_request (likeness);
CREATE INDEX approval_request_state ON approval_request (state, expires_at);
CREATE INDEX approval_request_requester ON approval_request (requester);

-- Who decides in whose place while they are away.
CREATE TABLE approval_substitute (
    absent TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    substitute TEXT COLLATE "C" NOT NULL,
    from_time BIGINT NOT NULL,
    until_time BIGINT NOT NULL
);
CREATE INDEX approval_substitute_substitute ON approval_substitute (substitute);

-- What people are still to be told. `due_at` is moved on while somebody is sending it; without it nobody
-- tries any more.
CREATE TABLE approval_notice (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    channel TEXT COLLATE "C" NOT NULL,
    request TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    due_at BIGINT,
    problem TEXT COLLATE "C"
);
CREATE INDEX approval_notice_due ON approval_notice (due_at);
