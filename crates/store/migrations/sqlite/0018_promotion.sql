-- Promotions of connectors from one environment to the next (AUTHZ-8). An open one may be decided once.
CREATE TABLE promotion (
    id TEXT NOT NULL PRIMARY KEY,
    open INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
