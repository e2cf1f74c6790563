-- What was revoked: everything of a subject issued up to `not_before` (microseconds) is void. `revision` is
-- that of the revocations at the last change of the row, so that nodes read only what is new to them.
INSERT INTO revision (name, value) VALUES ('revocations', 0);

CREATE TABLE revocation (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT;
CREATE INDEX revocation_revision ON revocation (revision);
