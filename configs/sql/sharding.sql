-- What every shard's source holds about sharding. Made by topology-up as admin; it can be run again. A statement
-- ends where a blank line follows it.

CREATE SCHEMA IF NOT EXISTS sharding;

-- The least map version that a client must know to work on a key: one that stays, and one that is about to move.
-- Clients hold the row FOR SHARE for as long as their transaction lasts, so that raising it waits for them.
CREATE TABLE IF NOT EXISTS sharding.gates (
    gate ENUM('stay', 'move') NOT NULL,
    least BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (gate)
);

-- What clients write while they work; what is in schema sharding, they only read.
CREATE SCHEMA IF NOT EXISTS sharding_work;

-- The branches of transactions across shards that were committed here, each noted by itself: one that is gone and
-- has no row was lost with a server.
CREATE TABLE IF NOT EXISTS sharding_work.branches (
    gtrid VARCHAR(64) CHARACTER SET ascii NOT NULL,
    shard SMALLINT UNSIGNED NOT NULL,
    noted_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (gtrid),
    KEY noted_at (noted_at)
);

-- Cut-overs that are decided: a version of the map that is in force from then on, whoever loses its publication. Noted
-- on every shard that has a part in it, so that no server that dies takes the decision along.
CREATE TABLE IF NOT EXISTS sharding.cutovers (
    version BIGINT UNSIGNED NOT NULL,
    document JSON NOT NULL,
    PRIMARY KEY (version)
);

-- How many rows have been removed here because a version of the map has them elsewhere. Changed in the transaction that
-- removes them, so that whoever follows the log knows it from what customers delete.
CREATE TABLE IF NOT EXISTS sharding.removals (
    version BIGINT UNSIGNED NOT NULL,
    row_count BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (version)
);
