CREATE TABLE browser_session (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    cookie TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    device TEXT NOT NULL,
    idp TEXT NOT NULL,
    idp_session TEXT,
    idp_subject TEXT NOT NULL,
    proof TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE INDEX browser_session_user ON browser_session (user_id);
CREATE INDEX browser_session_idp_session ON browser_session (idp, idp_session);
CREATE INDEX browser_session_idp_subject ON browser_session (idp, idp_subject);
CREATE INDEX browser_session_expires ON browser_session (expires_at);

CREATE TABLE pending_sign_in (
    handle TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX pending_sign_in_expires ON pending_sign_in (expires_at);

CREATE TABLE seen_once (
    space TEXT NOT NULL,
    what TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (space, what)
) STRICT;
CREATE INDEX seen_once_until ON seen_once (until);

CREATE TABLE authenticator (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    lookup TEXT UNIQUE,
    name TEXT NOT NULL,
    material TEXT NOT NULL,
    counter INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    attempts_since INTEGER,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT;
CREATE INDEX authenticator_user ON authenticator (user_id);

CREATE TABLE identity_provider (
    name TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
