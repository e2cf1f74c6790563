-- The vault: what tokens stand for, sealed under the key of their scope, which is sealed itself. A scope whose row is
-- gone cannot be opened any more.
CREATE TABLE token_scope (
    scope TEXT NOT NULL PRIMARY KEY,
    sealed_key TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX token_scope_expires_at ON token_scope (expires_at);

CREATE TABLE token (
    scope TEXT NOT NULL REFERENCES token_scope (scope) ON DELETE CASCADE,
    token TEXT NOT NULL,
    sealed TEXT NOT NULL,
    PRIMARY KEY (scope, token)
) STRICT;
