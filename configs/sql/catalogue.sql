-- Where the shard map lives: on the source of the first shard, beside its gates. Made by topology-up as admin; it can
-- be run again. A statement ends where a blank line follows it.

-- The newest version is the map. While rows move, pending is the map that follows.
CREATE TABLE IF NOT EXISTS sharding.maps (
    version BIGINT UNSIGNED NOT NULL,
    document JSON NOT NULL,
    pending JSON NULL,
    created_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (version)
);

-- By which server a version was published: another one than ours may have published more, and lost it.
CREATE TABLE IF NOT EXISTS sharding.publications (
    version BIGINT UNSIGNED NOT NULL,
    server CHAR(36) CHARACTER SET ascii NOT NULL,
    PRIMARY KEY (version)
);

-- For the map that is a directory: its shards, and how many customers each has been given.
CREATE TABLE IF NOT EXISTS sharding.shard_directory (
    shard SMALLINT UNSIGNED NOT NULL,
    state ENUM('active', 'joining', 'leaving') NOT NULL,
    customers BIGINT UNSIGNED NOT NULL DEFAULT 0,
    PRIMARY KEY (shard)
);

-- next_shard: where a customer moves to while a map is pending.
CREATE TABLE IF NOT EXISTS sharding.customer_shard_mapping (
    customer_id BIGINT UNSIGNED NOT NULL,
    shard SMALLINT UNSIGNED NOT NULL,
    next_shard SMALLINT UNSIGNED NULL,
    PRIMARY KEY (customer_id),
    KEY shard (shard),
    KEY next_shard (next_shard)
);

-- Every resharding, the newest last: see wavetank.sharding.reshard.
CREATE TABLE IF NOT EXISTS sharding.reshardings (
    id INT UNSIGNED NOT NULL AUTO_INCREMENT,
    shards_before JSON NOT NULL,
    shards_after JSON NOT NULL,
    new_map JSON NOT NULL,
    phase ENUM('prepare', 'copy', 'follow', 'compare', 'cut-over', 'remove', 'done', 'aborted') NOT NULL,
    began_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    ended_at DATETIME(6) NULL,
    PRIMARY KEY (id)
);

-- What they have done. A phase has 0 for shards and key; a chunk has those; in between is what is known of one
-- shard. gtids is up to which transaction, servers are the UUIDs of those of which this is true. Where high is of one
-- shard, it is how many rows customers have deleted since the copy.
CREATE TABLE IF NOT EXISTS sharding.reshard_steps (
    resharding INT UNSIGNED NOT NULL,
    phase ENUM('prepare', 'copy', 'follow', 'compare', 'cut-over', 'remove') NOT NULL,
    from_shard SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    to_shard SMALLINT UNSIGNED NOT NULL DEFAULT 0,
    low BIGINT UNSIGNED NOT NULL DEFAULT 0,
    high BIGINT UNSIGNED NOT NULL DEFAULT 0,
    row_count BIGINT UNSIGNED NOT NULL DEFAULT 0,
    gtids MEDIUMTEXT NULL,
    servers TEXT NULL,
    began_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    ended_at DATETIME(6) NULL,
    PRIMARY KEY (resharding, phase, from_shard, to_shard, low)
);

-- Gives a customer the active shard that has fewest, or says which one it has. It has a transaction of its own, and
-- so ends that of its caller: an application asks before it begins.
CREATE PROCEDURE IF NOT EXISTS sharding.AssignCustomerToShard(IN customer BIGINT UNSIGNED, OUT chosen SMALLINT UNSIGNED)
MODIFIES SQL DATA
BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
    START TRANSACTION;
    SET chosen = NULL;
    SELECT shard INTO chosen FROM sharding.customer_shard_mapping WHERE customer_id = customer;
    IF chosen IS NULL THEN
        -- The lock on the directory lets one caller choose at a time.
        SELECT shard INTO chosen FROM sharding.shard_directory
        WHERE state = 'active' ORDER BY customers, shard LIMIT 1 FOR UPDATE;
        IF chosen IS NULL THEN
            SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no shard of the directory is active';
        END IF;
        INSERT IGNORE INTO sharding.customer_shard_mapping (customer_id, shard) VALUES (customer, chosen);
        IF ROW_COUNT() = 1 THEN
            UPDATE sharding.shard_directory SET customers = customers + 1 WHERE shard = chosen;
        ELSE
            -- Somebody else was first; a locking read sees what they wrote.
            SELECT shard INTO chosen FROM sharding.customer_shard_mapping WHERE customer_id = customer FOR SHARE;
        END IF;
    END IF;
    COMMIT;
END;

-- What becomes of a transaction across shards: one row, which is there before any branch is committed. Its key makes
-- the first verdict the only one.
CREATE TABLE IF NOT EXISTS sharding_work.decisions (
    gtrid VARCHAR(64) CHARACTER SET ascii NOT NULL,
    verdict ENUM('commit', 'rollback') NOT NULL,
    shards VARCHAR(4000) CHARACTER SET ascii NOT NULL,
    decided_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (gtrid)
);

-- Until when, in ms since 2026, the ids of each worker have been handed out.
CREATE TABLE IF NOT EXISTS sharding_work.id_workers (
    worker SMALLINT UNSIGNED NOT NULL,
    used_until_ms BIGINT UNSIGNED NOT NULL DEFAULT 0,
    PRIMARY KEY (worker),
    KEY used_until_ms (used_until_ms)
);
