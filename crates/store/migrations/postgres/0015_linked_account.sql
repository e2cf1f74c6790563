-- Accounts at upstreams, and the gate as a client there. Times are in microseconds; the owner of the gate's own
-- account is empty.
INSERT INTO revision (name, value) VALUES ('linked_accounts', 0);

CREATE TABLE linked_account (
    connector TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (connector, owner)
);
CREATE INDEX linked_account_owner ON linked_account (owner);

-- Accounts that ended here; the authorization server is still to be told.
CREATE TABLE ended_account (
    id BIGINT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL
);

CREATE TABLE upstream_client (
    connector TEXT COLLATE "C" NOT NULL,
    issuer TEXT COLLATE "C" NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (connector, issuer)
);
