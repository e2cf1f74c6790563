-- Calls that wait for people as tasks (TOOL-3). `content` is sealed: the call as its client made it, and how far
-- it is. The id is that of the request for approval.
CREATE TABLE approval_task (
    id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    content TEXT NOT NULL
) STRICT;
CREATE INDEX approval_task_expires ON approval_task (expires_at);
-- What stood in the system when people were asked about a call, sealed (TOOL-3).
ALTER TABLE approval_request ADD COLUMN current TEXT;
