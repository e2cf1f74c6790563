-- Promotions of connectors from one environment to the next (AUTHZ-8). An open one may be decided once.
CREATE TABLE promotion (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    open BIGINT NOT NULL,
    document TEXT COLLATE "C" NOT NULL
);
