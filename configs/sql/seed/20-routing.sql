-- What statements are routed about, to see who got them.
CREATE TABLE wavetank.routed (
    id INT UNSIGNED NOT NULL PRIMARY KEY,
    server_uuid CHAR(36) NOT NULL,
    word VARCHAR(20) NOT NULL
);
