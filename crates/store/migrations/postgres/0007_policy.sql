-- What happened to a version of the policies on its way into force: tested, shown its impact, tried beside the
-- policies in force, approved, activated.
CREATE TABLE policy_step (
    position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version BIGINT NOT NULL REFERENCES policy_set (version),
    step TEXT COLLATE "C" NOT NULL,
    document TEXT COLLATE "C" NOT NULL
);
CREATE INDEX policy_step_version ON policy_step (version, position);
