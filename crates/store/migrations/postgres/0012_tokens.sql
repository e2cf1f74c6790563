-- The vault: what tokens stand for, sealed under the key of their scope, which is sealed itself. A scope whose row is
-- gone cannot be opened any more.
CREATE TABLE token_scope (
    scope TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    sealed_key TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX token_scope_expires_at ON token_scope (expires_at);

CREATE TABLE token (
    scope TEXT COLLATE "C" NOT NULL REFERENCES token_scope (scope) ON DELETE CASCADE,
    token TEXT COLLATE "C" NOT NULL,
    sealed TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (scope, token)
);
