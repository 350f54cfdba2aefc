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

-- For transactions of those who come without the client library, as through a proxy: holds both gates until the
-- transaction's end, or refuses one who does not know the map version that they want. Then roll back, read the newest
-- map, and begin anew on the shard that it names.
CREATE PROCEDURE IF NOT EXISTS sharding.HoldGates(IN known_version BIGINT UNSIGNED)
READS SQL DATA
SQL SECURITY INVOKER
BEGIN
    DECLARE wanted BIGINT UNSIGNED;
    DECLARE refusal VARCHAR(128);
    -- Where no transaction is open a savepoint ends with its statement, as would the locks.
    DECLARE EXIT HANDLER FOR 1305
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'gates are held in a transaction: START TRANSACTION comes first';
    SAVEPOINT hold_gates;
    RELEASE SAVEPOINT hold_gates;
    SELECT MAX(least) INTO wanted FROM sharding.gates FOR SHARE;
    -- Asked after the lock: a source that is none any more lets locks be taken.
    IF @@GLOBAL.read_only THEN
        SET refusal = 'this server takes no writes';
    ELSEIF wanted IS NULL THEN
        SET refusal = 'this shard has no gates: make topology-up';
    ELSEIF known_version IS NULL OR known_version < wanted THEN
        SET refusal = CONCAT('map version ', wanted, ' is wanted, ', COALESCE(known_version, 'none'), ' is known');
    END IF;
    IF refusal IS NOT NULL THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = refusal;
    END IF;
END;

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

-- Until when the ids of each worker have been handed out, as the catalogue's source said: this shard bears witness,
-- should that one lose it.
CREATE TABLE IF NOT EXISTS sharding_work.id_spans (
    worker SMALLINT UNSIGNED NOT NULL,
    used_until_ms BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (worker)
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
