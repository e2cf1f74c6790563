-- The authorization server: clients, authorizations under way, grants, codes, refresh tokens, signing keys.
INSERT INTO revision (name, value) VALUES ('oauth', 0);

CREATE TABLE oauth_client (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    document TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT
);
CREATE INDEX oauth_client_kind ON oauth_client (kind, status);

CREATE TABLE oauth_authorization (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    document TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE oauth_consent (
    key TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_id TEXT COLLATE "C" NOT NULL,
    client TEXT COLLATE "C" NOT NULL,
    document TEXT COLLATE "C" NOT NULL,
    remembered BIGINT NOT NULL,
    given_at BIGINT NOT NULL
);
CREATE INDEX oauth_consent_user ON oauth_consent (user_id, given_at);

CREATE TABLE oauth_grant (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    subject TEXT COLLATE "C" NOT NULL,
    client TEXT COLLATE "C" NOT NULL,
    session TEXT COLLATE "C",
    document TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX oauth_grant_subject ON oauth_grant (subject, created_at);
CREATE INDEX oauth_grant_client ON oauth_grant (client, created_at);
CREATE INDEX oauth_grant_session ON oauth_grant (session, created_at);
CREATE INDEX oauth_grant_expires ON oauth_grant (expires_at);

-- Used codes stay for a while: a second use gives a stolen code away.
CREATE TABLE oauth_code (
    digest TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    grant_id TEXT COLLATE "C" NOT NULL REFERENCES oauth_grant (id) ON DELETE CASCADE,
    document TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX oauth_code_grant ON oauth_code (grant_id);

-- So do exchanged refresh tokens.
CREATE TABLE oauth_refresh_token (
    digest TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    grant_id TEXT COLLATE "C" NOT NULL REFERENCES oauth_grant (id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL,
    replaced_at BIGINT,
    successor TEXT COLLATE "C"
);
CREATE INDEX oauth_refresh_token_grant ON oauth_refresh_token (grant_id);

CREATE TABLE oauth_seen (
    digest TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    until BIGINT NOT NULL
);
CREATE INDEX oauth_seen_until ON oauth_seen (until);

CREATE TABLE oauth_signing_key (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    document TEXT COLLATE "C" NOT NULL,
    published_until BIGINT NOT NULL
);
