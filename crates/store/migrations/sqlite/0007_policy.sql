-- What happened to a version of the policies on its way into force: tested, shown its impact, tried beside the
-- policies in force, approved, activated.
CREATE TABLE policy_step (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    version INTEGER NOT NULL REFERENCES policy_set (version),
    step TEXT NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX policy_step_version ON policy_step (version, position);
