-- The authorization server: clients, authorizations under way, grants, codes, refresh tokens, signing keys.
INSERT INTO revision (name, value) VALUES ('oauth', 0);

CREATE TABLE oauth_client (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    document TEXT NOT NULL,
    expires_at INTEGER
) STRICT;
CREATE INDEX oauth_client_kind ON oauth_client (kind, status);

CREATE TABLE oauth_authorization (
    id TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE oauth_consent (
    key TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    client TEXT NOT NULL,
    document TEXT NOT NULL,
    remembered INTEGER NOT NULL,
    given_at INTEGER NOT NULL
) STRICT;
CREATE INDEX oauth_consent_user ON oauth_consent (user_id, given_at);

CREATE TABLE oauth_grant (
    id TEXT NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL,
    client TEXT NOT NULL,
    session TEXT,
    document TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX oauth_grant_subject ON oauth_grant (subject, created_at);
CREATE INDEX oauth_grant_client ON oauth_grant (client, created_at);
CREATE INDEX oauth_grant_session ON oauth_grant (session, created_at);
CREATE INDEX oauth_grant_expires ON oauth_grant (expires_at);

-- Used codes stay for a while: a second use gives a stolen code away.
CREATE TABLE oauth_code (
    digest TEXT NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES oauth_grant (id) ON DELETE CASCADE,
    document TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;
CREATE INDEX oauth_code_grant ON oauth_code (grant_id);

-- So do exchanged refresh tokens.
CREATE TABLE oauth_refresh_token (
    digest TEXT NOT NULL PRIMARY KEY,
    grant_id TEXT NOT NULL REFERENCES oauth_grant (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL,
    replaced_at INTEGER,
    successor TEXT
) STRICT;
CREATE INDEX oauth_refresh_token_grant ON oauth_refresh_token (grant_id);

CREATE TABLE oauth_seen (
    digest TEXT NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT;
CREATE INDEX oauth_seen_until ON oauth_seen (until);

CREATE TABLE oauth_signing_key (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL,
    published_until INTEGER NOT NULL
) STRICT;
