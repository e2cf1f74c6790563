-- Accounts at upstreams, and the gate as a client there. Times are in microseconds; the owner of the gate's own
-- account is empty.
INSERT INTO revision (name, value) VALUES ('linked_accounts', 0);

CREATE TABLE linked_account (
    connector TEXT NOT NULL,
    owner TEXT NOT NULL,
    revision INTEGER NOT NULL,
    claimed_until INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (connector, owner)
) STRICT;
CREATE INDEX linked_account_owner ON linked_account (owner);

-- Accounts that ended here; the authorization server is still to be told.
CREATE TABLE ended_account (
    id INTEGER NOT NULL PRIMARY KEY,
    document TEXT NOT NULL
) STRICT;

CREATE TABLE upstream_client (
    connector TEXT NOT NULL,
    issuer TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (connector, issuer)
) STRICT;
