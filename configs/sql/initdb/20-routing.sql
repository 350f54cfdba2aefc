-- What statements are routed about, to see who got them.
CREATE TABLE wavetank.routed (
    id INT UNSIGNED NOT NULL PRIMARY KEY,
    server_uuid CHAR(36) NOT NULL,
    word VARCHAR(20) NOT NULL
);

-- What ProxySQL asks for the lag: of a source that has been replaced, its last beat stays in the table.
CREATE VIEW wavetank.newest_heartbeat AS SELECT MAX(ts) AS ts FROM wavetank.heartbeat;
