-- People. `name_key` is the user name in lower case; `provider` is empty for local people and groups.
CREATE TABLE person (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name_key TEXT COLLATE "C" NOT NULL UNIQUE,
    provider TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C",
    active BIGINT NOT NULL,
    version BIGINT NOT NULL,
    haystack TEXT COLLATE "C" NOT NULL,
    document TEXT COLLATE "C" NOT NULL
);
CREATE INDEX person_external_id ON person (external_id);
CREATE INDEX person_provider ON person (provider, id);

-- Accounts at identity providers.
CREATE TABLE person_link (
    provider TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    person TEXT COLLATE "C" NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    linked_at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (provider, subject)
);
CREATE INDEX person_link_person ON person_link (person);

-- What is kept of deleted people, for readers of old audit records.
CREATE TABLE deleted_person (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    document TEXT COLLATE "C" NOT NULL
);

-- Groups. `name` is what policies call it, `display_key` the displayed name in lower case.
CREATE TABLE person_group (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    provider TEXT COLLATE "C" NOT NULL,
    display_key TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C",
    version BIGINT NOT NULL,
    document TEXT COLLATE "C" NOT NULL,
    UNIQUE (provider, display_key)
);
CREATE INDEX person_group_external_id ON person_group (external_id);

-- A member is a person or another group, told apart by the id; deleting either deletes its rows.
CREATE TABLE group_member (
    person_group TEXT COLLATE "C" NOT NULL REFERENCES person_group (id) ON DELETE CASCADE,
    member TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (person_group, member)
);
CREATE INDEX group_member_member ON group_member (member, person_group);

-- Groups that an identity provider named at the last sign-in.
CREATE TABLE claimed_group (
    person TEXT COLLATE "C" NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    provider TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (person, provider, name)
);

CREATE TABLE scim_token (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    provider TEXT COLLATE "C" NOT NULL,
    document TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at TEXT COLLATE "C",
    last_used_at BIGINT
);
CREATE INDEX scim_token_provider ON scim_token (provider, position);
