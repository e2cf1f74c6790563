CREATE TABLE browser_session (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    cookie TEXT COLLATE "C" NOT NULL UNIQUE,
    user_id TEXT COLLATE "C" NOT NULL,
    device TEXT COLLATE "C" NOT NULL,
    idp TEXT COLLATE "C" NOT NULL,
    idp_session TEXT COLLATE "C",
    idp_subject TEXT COLLATE "C" NOT NULL,
    proof TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX browser_session_user ON browser_session (user_id);
CREATE INDEX browser_session_idp_session ON browser_session (idp, idp_session);
CREATE INDEX browser_session_idp_subject ON browser_session (idp, idp_subject);
CREATE INDEX browser_session_expires ON browser_session (expires_at);

CREATE TABLE pending_sign_in (
    handle TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    document TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX pending_sign_in_expires ON pending_sign_in (expires_at);

CREATE TABLE seen_once (
    space TEXT COLLATE "C" NOT NULL,
    what TEXT COLLATE "C" NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (space, what)
);
CREATE INDEX seen_once_until ON seen_once (until);

CREATE TABLE authenticator (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    user_id TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    lookup TEXT COLLATE "C" UNIQUE,
    name TEXT COLLATE "C" NOT NULL,
    material TEXT COLLATE "C" NOT NULL,
    counter BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    attempts_since BIGINT,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX authenticator_user ON authenticator (user_id);

CREATE TABLE identity_provider (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    document TEXT COLLATE "C" NOT NULL
);
