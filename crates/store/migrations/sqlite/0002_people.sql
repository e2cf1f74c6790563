-- People. `name_key` is the user name in lower case; `provider` is empty for local people and groups.
CREATE TABLE person (
    id TEXT NOT NULL PRIMARY KEY,
    name_key TEXT NOT NULL UNIQUE,
    provider TEXT NOT NULL,
    external_id TEXT,
    active INTEGER NOT NULL,
    version INTEGER NOT NULL,
    haystack TEXT NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX person_external_id ON person (external_id);
CREATE INDEX person_provider ON person (provider, id);

-- Accounts at identity providers.
CREATE TABLE person_link (
    provider TEXT NOT NULL,
    subject TEXT NOT NULL,
    person TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    linked_at TEXT NOT NULL,
    PRIMARY KEY (provider, subject)
) STRICT;
CREATE INDEX person_link_person ON person_link (person);

-- What is kept of deleted people, for readers of old audit records.
CREATE TABLE deleted_person (
    id TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL
) STRICT;

-- Groups. `name` is what policies call it, `display_key` the displayed name in lower case.
CREATE TABLE person_group (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    provider TEXT NOT NULL,
    display_key TEXT NOT NULL,
    external_id TEXT,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (provider, display_key)
) STRICT;
CREATE INDEX person_group_external_id ON person_group (external_id);

-- A member is a person or another group, told apart by the id; deleting either deletes its rows.
CREATE TABLE group_member (
    person_group TEXT NOT NULL REFERENCES person_group (id) ON DELETE CASCADE,
    member TEXT NOT NULL,
    PRIMARY KEY (person_group, member)
) STRICT;
CREATE INDEX group_member_member ON group_member (member, person_group);

-- Groups that an identity provider named at the last sign-in.
CREATE TABLE claimed_group (
    person TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    provider TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (person, provider, name)
) STRICT;

CREATE TABLE scim_token (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    provider TEXT NOT NULL,
    document TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at TEXT,
    last_used_at INTEGER
) STRICT;
CREATE INDEX scim_token_provider ON scim_token (provider, position);
