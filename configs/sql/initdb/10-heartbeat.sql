-- What every server holds before its first start; it is part of the node image, never of a binary log.
SET sql_log_bin = OFF;

-- root comes through the socket only, as the operating system's root.
ALTER USER 'root'@'localhost' IDENTIFIED WITH auth_socket;

CREATE SCHEMA wavetank;

-- One row a source, rewritten every second: now() minus ts on a replica is its lag (as in pt-heartbeat).
CREATE TABLE wavetank.heartbeat (
    server_id INT UNSIGNED NOT NULL PRIMARY KEY,
    ts DATETIME(6) NOT NULL
);

-- One row a source, written by the canary check, which then looks for it on the replicas.
CREATE TABLE wavetank.canary (
    server_id INT UNSIGNED NOT NULL PRIMARY KEY,
    token BINARY(16) NOT NULL
);

-- Ids that several sources draw at once, for the proof that they do not collide; empty but for that moment.
CREATE TABLE wavetank.generated_ids (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    origin INT UNSIGNED NOT NULL
);

-- What the server is, stated anew at each start: a peer takes writes although it replicates, too.
CREATE TABLE wavetank.self (
    id TINYINT UNSIGNED NOT NULL PRIMARY KEY CHECK (id = 1),
    peer BOOLEAN NOT NULL
);

DELIMITER //
-- The same event on every server; it beats where the server takes writes, also after a failover. A replica
-- that somebody opened by hand must not beat: its own beat would be an errant transaction.
CREATE EVENT wavetank.heartbeat
ON SCHEDULE EVERY 1 SECOND
DO
IF NOT @@GLOBAL.read_only AND (
    EXISTS (SELECT 1 FROM wavetank.self WHERE peer)
    OR NOT EXISTS (SELECT 1 FROM performance_schema.replication_connection_configuration WHERE HOST <> '')
) THEN
    INSERT INTO wavetank.heartbeat VALUES (@@server_id, SYSDATE(6)) AS new
    ON DUPLICATE KEY UPDATE ts = new.ts;
END IF //
DELIMITER ;
