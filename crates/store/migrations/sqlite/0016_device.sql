-- What a device management system tells of devices, by the digest of their certificates.
INSERT INTO revision (name, value) VALUES ('devices', 0);

CREATE TABLE device (
    certificate TEXT NOT NULL PRIMARY KEY,
    document TEXT NOT NULL
) STRICT;
