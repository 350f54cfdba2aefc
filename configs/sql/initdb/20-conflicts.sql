-- What servers that take writes did to the same rows without knowing of each other: found by `wavetank
-- conflicts` in the binary logs, decided by wavetank.ResolveConflict. See docs/drills/conflict.md.
SET sql_log_bin = OFF;

-- How far the binary logs have been examined: all of this GTID set is free of open conflicts.
CREATE TABLE wavetank.conflicts_examined (
    id TINYINT UNSIGNED NOT NULL PRIMARY KEY,
    gtid_set LONGTEXT NOT NULL,
    examined_at DATETIME(6) NOT NULL,
    CONSTRAINT conflicts_examined_one_row CHECK (id = 1)
);

-- One row a conflict. Those of one component share rows or keys and are resolved together.
CREATE TABLE wavetank.replication_conflicts (
    conflict_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    -- SHA-256 of where it is and of the transaction with which it began: found again, it is the same one.
    identity CHAR(64) CHARACTER SET ascii NOT NULL,
    component CHAR(64) CHARACTER SET ascii NOT NULL,
    kind ENUM(
        'primary key', 'unique key', 'update/update', 'delete/update', 'delete/delete', 'foreign key'
    ) NOT NULL,
    schema_name VARCHAR(64) NOT NULL,
    table_name VARCHAR(64) NOT NULL,
    key_name VARCHAR(64) NOT NULL,
    key_values JSON NOT NULL,
    servers VARCHAR(1000) NOT NULL,
    state ENUM('open', 'resolved', 'superseded') NOT NULL,
    found_at DATETIME(6) NOT NULL,
    strategy VARCHAR(20) NULL,
    winner VARCHAR(64) NULL,
    resolved_at DATETIME(6) NULL,
    UNIQUE KEY identity (identity),
    KEY component (component)
);

-- What each row of a component was (an empty server, operation 'base'), and what each server last made of it.
-- Values in the images are text; bytes are {"hex": "..."}, a JSON document of which text does not say all is
-- {"json": "...", "typed": [...]}. `kept` says which version the resolution left.
CREATE TABLE wavetank.conflict_versions (
    component CHAR(64) CHARACTER SET ascii NOT NULL,
    row_id CHAR(64) CHARACTER SET ascii NOT NULL,
    server VARCHAR(64) NOT NULL,
    schema_name VARCHAR(64) NOT NULL,
    table_name VARCHAR(64) NOT NULL,
    operation ENUM('base', 'insert', 'update', 'delete') NOT NULL,
    gtid VARCHAR(80) CHARACTER SET ascii NOT NULL,
    committed_at DATETIME(6) NULL,
    before_image JSON NULL,
    after_image JSON NULL,
    -- Rows that this version refers to by a foreign key, by their row_id.
    parents JSON NULL,
    kept BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (component, row_id, server)
);

SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES,ALLOW_INVALID_DATES';
DELIMITER //

-- The SQL for a JSON document of which text does not say all: the text, and each value in it that is of another type
-- than it would be from text, put in its place out of a column of that type.
CREATE FUNCTION wavetank.DocumentLiteral(p_document JSON) RETURNS LONGTEXT CHARACTER SET utf8mb4
DETERMINISTIC NO SQL
SQL SECURITY INVOKER
BEGIN
    -- Nothing else becomes a part of a statement, whatever the record says.
    DECLARE v_types VARCHAR(200) DEFAULT CONCAT(
        '^(DECIMAL|BIGINT( UNSIGNED)?|DATE|TIME|DATETIME|TIMESTAMP|BIT|(VAR)?BINARY|(TINY|MEDIUM|LONG)?BLOB)',
        '([(][0-9]+(,[0-9]+)?[)])?$'
    );
    DECLARE v_values LONGTEXT CHARACTER SET utf8mb4;

    SELECT GROUP_CONCAT(
        ', _utf8mb4 x''', HEX(typed.path), ''', (SELECT v FROM JSON_TABLE(JSON_ARRAY(',
        COALESCE(CONCAT('x''', typed.hex, ''''), CONCAT('_utf8mb4 x''', HEX(typed.value), '''')),
        '), ''$[0]'' COLUMNS (v ', COALESCE(REGEXP_SUBSTR(typed.type, v_types), 'of no type'),
        ' PATH ''$'' ERROR ON EMPTY ERROR ON ERROR)) AS typed)'
        ORDER BY typed.place SEPARATOR ''
    )
    INTO v_values
    FROM JSON_TABLE(p_document, '$.typed[*]' COLUMNS (
        place FOR ORDINALITY, type VARCHAR(40) PATH '$.type', hex LONGTEXT PATH '$.hex',
        path LONGTEXT CHARACTER SET utf8mb4 PATH '$.path', value LONGTEXT CHARACTER SET utf8mb4 PATH '$.value'
    )) AS typed;
    RETURN CONCAT(
        'JSON_SET(CAST(_utf8mb4 x''', HEX(JSON_UNQUOTE(JSON_EXTRACT(p_document, '$.json'))), ''' AS JSON)', v_values, ')'
    );
END //

-- Put one row, as an image has it, into the temporary table wavetank.staged, whose columns are those of the
-- table that can be written. Names come from the catalogue and are quoted; values are hexadecimal literals.
CREATE PROCEDURE wavetank.StageRow(IN p_schema VARCHAR(64), IN p_table VARCHAR(64), IN p_image JSON)
SQL SECURITY INVOKER
BEGIN
    DECLARE v_name VARCHAR(200) CHARACTER SET utf8mb4
        DEFAULT CONCAT('`', REPLACE(p_schema, '`', '``'), '`.`', REPLACE(p_table, '`', '``'), '`');
    DECLARE v_columns, v_literals, v_key, v_key_parts LONGTEXT CHARACTER SET utf8mb4;
    DECLARE v_known, v_missing INT UNSIGNED;

    SELECT
        GROUP_CONCAT(IF(c.writable, c.quoted, NULL) ORDER BY c.position),
        GROUP_CONCAT(IF(c.writable, CASE
            WHEN c.value IS NULL OR JSON_TYPE(c.value) = 'NULL' THEN 'NULL'
            WHEN JSON_CONTAINS_PATH(c.value, 'one', '$.json') THEN wavetank.DocumentLiteral(c.value)
            WHEN JSON_TYPE(c.value) = 'OBJECT' THEN CONCAT('x''', JSON_UNQUOTE(JSON_EXTRACT(c.value, '$.hex')), '''')
            ELSE CONCAT('_utf8mb4 x''', HEX(JSON_UNQUOTE(c.value)), '''')
        END, NULL) ORDER BY c.position),
        SUM(JSON_CONTAINS_PATH(p_image, 'one', c.path)),
        SUM(c.writable AND NOT JSON_CONTAINS_PATH(p_image, 'one', c.path))
    INTO v_columns, v_literals, v_known, v_missing
    FROM (
        SELECT
            ORDINAL_POSITION AS position,
            GENERATION_EXPRESSION = '' AS writable,
            CONCAT('`', REPLACE(COLUMN_NAME, '`', '``'), '`') AS quoted,
            CONCAT('$.', JSON_QUOTE(COLUMN_NAME)) AS path,
            JSON_EXTRACT(p_image, CONCAT('$.', JSON_QUOTE(COLUMN_NAME))) AS value
        FROM information_schema.COLUMNS
        WHERE TABLE_SCHEMA = p_schema AND TABLE_NAME = p_table
    ) AS c;
    IF v_columns IS NULL OR v_missing > 0 OR v_known <> JSON_LENGTH(p_image) THEN
        SET @wavetank_refusal = LEFT(CONCAT(v_name, ' does not have the columns it had at the time'), 128);
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = @wavetank_refusal;
    END IF;
    SELECT
        GROUP_CONCAT(c.quoted ORDER BY c.place),
        GROUP_CONCAT(c.quoted, COALESCE(CONCAT('(', c.length, ')'), '') ORDER BY c.place)
    INTO v_key, v_key_parts
    FROM (
        SELECT CONCAT('`', REPLACE(COLUMN_NAME, '`', '``'), '`') AS quoted, SEQ_IN_INDEX AS place, SUB_PART AS length
        FROM information_schema.STATISTICS
        WHERE TABLE_SCHEMA = p_schema AND TABLE_NAME = p_table AND INDEX_NAME = 'PRIMARY'
    ) AS c;
    IF NOT @wavetank_staged <=> v_name THEN
        DROP TEMPORARY TABLE IF EXISTS wavetank.staged;
        SET @wavetank_statement = CONCAT(
            'CREATE TEMPORARY TABLE wavetank.staged (PRIMARY KEY (', v_key_parts, ')) AS SELECT ', v_columns,
            ' FROM ', v_name, ' LIMIT 0'
        );
        PREPARE statement FROM @wavetank_statement;
        EXECUTE statement;
        SET @wavetank_staged = v_name;
    ELSE
        DELETE FROM wavetank.staged;
    END IF;
    SET @wavetank_statement = CONCAT('INSERT INTO wavetank.staged (', v_columns, ') VALUES (', v_literals, ')');
    PREPARE statement FROM @wavetank_statement;
    EXECUTE statement;
    DEALLOCATE PREPARE statement;
    SET @wavetank_insert =
        CONCAT('INSERT INTO ', v_name, ' (', v_columns, ') SELECT ', v_columns, ' FROM wavetank.staged');
    SET @wavetank_delete =
        CONCAT('DELETE row_there FROM ', v_name, ' AS row_there JOIN wavetank.staged USING (', v_key, ')');
END //

-- Insert or delete the row staged last; return how many rows that changed, or -1 where the server refused a
-- duplicate of a key.
CREATE PROCEDURE wavetank.ChangeStagedRow(IN p_insert BOOLEAN, OUT p_changed INT)
SQL SECURITY INVOKER
BEGIN
    DECLARE CONTINUE HANDLER FOR 1062 SET p_changed = -1;
    SET p_changed = NULL;
    SET @wavetank_statement = IF(p_insert, @wavetank_insert, @wavetank_delete);
    PREPARE statement FROM @wavetank_statement;
    EXECUTE statement;
    SET p_changed = COALESCE(p_changed, ROW_COUNT());
    DEALLOCATE PREPARE statement;
END //

-- Refuse what a resolution would make worse: a version that this server has not applied yet would come after
-- the decision, a trigger would run once more, and a row without a primary key cannot be found again.
CREATE PROCEDURE wavetank.CheckConflict(IN p_component CHAR(64) CHARACTER SET ascii)
SQL SECURITY INVOKER
BEGIN
    DECLARE v_refusal VARCHAR(500) CHARACTER SET utf8mb4;

    SET v_refusal = COALESCE(
        (
            SELECT CONCAT('apply ', gtid, ' of ', server, ' here first, with replica_exec_mode = IDEMPOTENT')
            FROM wavetank.conflict_versions
            WHERE component = p_component AND NOT GTID_SUBSET(gtid, @@GLOBAL.gtid_executed)
            LIMIT 1
        ),
        (
            SELECT CONCAT(v.schema_name, '.', v.table_name, ' has the trigger ', t.TRIGGER_NAME)
            FROM wavetank.conflict_versions AS v
            INNER JOIN information_schema.TRIGGERS AS t
                ON t.EVENT_OBJECT_SCHEMA = v.schema_name AND t.EVENT_OBJECT_TABLE = v.table_name
            WHERE v.component = p_component
            LIMIT 1
        ),
        (
            SELECT CONCAT(v.schema_name, '.', v.table_name, ' has no primary key here')
            FROM wavetank.conflict_versions AS v
            LEFT JOIN information_schema.STATISTICS AS s
                ON s.TABLE_SCHEMA = v.schema_name AND s.TABLE_NAME = v.table_name AND s.INDEX_NAME = 'PRIMARY'
            WHERE v.component = p_component AND s.INDEX_NAME IS NULL
            LIMIT 1
        )
    );
    IF v_refusal IS NOT NULL THEN
        SET v_refusal = LEFT(v_refusal, 128);
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_refusal;
    END IF;
END //

-- Take every row of a component away, here and on the servers that have a row which this one lacks: a delete
-- reaches the binary log only if there was something to delete.
CREATE PROCEDURE wavetank.RemoveRows(IN p_component CHAR(64) CHARACTER SET ascii)
SQL SECURITY INVOKER
BEGIN
    DECLARE v_schema, v_table VARCHAR(64) CHARACTER SET utf8mb4;
    DECLARE v_image JSON;
    DECLARE v_changed INT;
    DECLARE v_round TINYINT DEFAULT 1;
    DECLARE v_done BOOLEAN DEFAULT FALSE;
    DECLARE v_lacking, v_number INT UNSIGNED DEFAULT 0;
    DECLARE v_lacked JSON DEFAULT (JSON_OBJECT());
    DECLARE row_images CURSOR FOR
        SELECT schema_name, table_name, COALESCE(after_image, before_image)
        FROM (
            SELECT *, ROW_NUMBER() OVER (PARTITION BY row_id ORDER BY server DESC) AS place
            FROM wavetank.conflict_versions
            WHERE component = p_component AND COALESCE(after_image, before_image) IS NOT NULL
        ) AS versions
        WHERE place = 1
        ORDER BY schema_name, table_name, row_id;
    DECLARE CONTINUE HANDLER FOR NOT FOUND SET v_done = TRUE;

    -- First all deletes, so that what is put back for the second round meets no duplicate.
    WHILE v_round <= 2 DO
        SET v_number = 0, v_done = FALSE;
        OPEN row_images;
        FETCH row_images INTO v_schema, v_table, v_image;
        WHILE NOT v_done DO
            SET v_number = v_number + 1;
            IF v_round = 1 OR JSON_CONTAINS_PATH(v_lacked, 'one', CONCAT('$."', v_number, '"')) THEN
                CALL wavetank.StageRow(v_schema, v_table, v_image);
                IF v_round = 2 THEN
                    CALL wavetank.ChangeStagedRow(TRUE, v_changed);
                END IF;
                CALL wavetank.ChangeStagedRow(FALSE, v_changed);
                IF v_changed = 0 THEN
                    SET v_lacked = JSON_SET(v_lacked, CONCAT('$."', v_number, '"'), TRUE);
                END IF;
            END IF;
            SET v_done = FALSE;
            FETCH row_images INTO v_schema, v_table, v_image;
        END WHILE;
        CLOSE row_images;
        SET v_round = v_round + 1;
    END WHILE;
END //

-- Put back one version of each row of a component at most: in the order of preference, passing over what the
-- server refuses as a duplicate, what would need a parent that lost, and the loss of a parent that is needed.
-- What each row was before comes last.
CREATE PROCEDURE wavetank.KeepVersions(
    IN p_component CHAR(64) CHARACTER SET ascii, IN p_source VARCHAR(64), OUT p_winner VARCHAR(64)
)
SQL SECURITY INVOKER
BEGIN
    DECLARE v_schema, v_table, v_server VARCHAR(64) CHARACTER SET utf8mb4;
    DECLARE v_row CHAR(64) CHARACTER SET ascii;
    DECLARE v_image, v_parents JSON;
    DECLARE v_base BOOLEAN;
    DECLARE v_changed INT;
    DECLARE v_done BOOLEAN DEFAULT FALSE;
    DECLARE v_decided JSON DEFAULT (JSON_OBJECT());
    DECLARE candidates CURSOR FOR
        SELECT schema_name, table_name, row_id, server, after_image, parents, operation = 'base'
        FROM wavetank.conflict_versions
        WHERE component = p_component
        ORDER BY operation = 'base', server <=> p_source DESC, committed_at DESC, server;
    DECLARE CONTINUE HANDLER FOR NOT FOUND SET v_done = TRUE;

    OPEN candidates;
    FETCH candidates INTO v_schema, v_table, v_row, v_server, v_image, v_parents, v_base;
    WHILE NOT v_done DO
        IF NOT JSON_CONTAINS_PATH(v_decided, 'one', CONCAT('$."', v_row, '"')) THEN
            SET v_changed = -1;
            IF v_image IS NULL THEN
                IF NOT EXISTS (
                    SELECT 1 FROM wavetank.conflict_versions
                    WHERE component = p_component AND kept AND after_image IS NOT NULL
                        AND JSON_CONTAINS(parents, JSON_QUOTE(v_row))
                ) OR v_base THEN
                    SET v_changed = 1;
                END IF;
            ELSEIF NOT EXISTS (
                SELECT 1 FROM wavetank.conflict_versions
                WHERE component = p_component AND kept AND after_image IS NULL
                    AND JSON_CONTAINS(v_parents, JSON_QUOTE(row_id))
            ) THEN
                CALL wavetank.StageRow(v_schema, v_table, v_image);
                CALL wavetank.ChangeStagedRow(TRUE, v_changed);
            END IF;
            IF v_changed = 1 THEN
                SET v_decided = JSON_SET(v_decided, CONCAT('$."', v_row, '"'), TRUE);
                SET p_winner = COALESCE(p_winner, NULLIF(v_server, ''));
                UPDATE wavetank.conflict_versions SET kept = TRUE
                WHERE component = p_component AND row_id = v_row AND server = v_server;
            END IF;
        END IF;
        SET v_done = FALSE;
        FETCH candidates INTO v_schema, v_table, v_row, v_server, v_image, v_parents, v_base;
    END WHILE;
    CLOSE candidates;

    -- A row that was put back before its parent lost goes with it.
    SET v_row = '';
    WHILE v_row IS NOT NULL DO
        SET v_row = (
            SELECT MIN(child.row_id)
            FROM wavetank.conflict_versions AS child
            INNER JOIN wavetank.conflict_versions AS parent
                ON parent.component = child.component AND JSON_CONTAINS(child.parents, JSON_QUOTE(parent.row_id))
            WHERE child.component = p_component AND child.kept AND child.after_image IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM wavetank.conflict_versions AS present
                WHERE present.component = p_component AND present.row_id = parent.row_id
                    AND present.kept AND present.after_image IS NOT NULL
            )
        );
        IF v_row IS NOT NULL THEN
            SET v_image = (
                SELECT after_image FROM wavetank.conflict_versions
                WHERE component = p_component AND row_id = v_row AND kept
            );
            SELECT schema_name, table_name INTO v_schema, v_table
            FROM wavetank.conflict_versions WHERE component = p_component AND row_id = v_row AND kept;
            CALL wavetank.StageRow(v_schema, v_table, v_image);
            CALL wavetank.ChangeStagedRow(FALSE, v_changed);
            UPDATE wavetank.conflict_versions SET kept = FALSE
            WHERE component = p_component AND row_id = v_row AND kept;
        END IF;
    END WHILE;
END //

-- Resolve a conflict, and all others of its component, in one transaction:
--   latest-wins    the version committed last
--   source-wins    the version of the server p_source; where it has none, the latest of the others
--   manual         changes nothing; shows the versions
-- Call it on one server, when every server has applied all of the others' transactions (with
-- replica_exec_mode = IDEMPOTENT). A conflict that is not open any more is left alone.
CREATE PROCEDURE wavetank.ResolveConflict(
    IN p_conflict BIGINT UNSIGNED, IN p_strategy VARCHAR(20), IN p_source VARCHAR(64)
)
SQL SECURITY INVOKER
resolve: BEGIN
    DECLARE v_checks BOOLEAN DEFAULT @@SESSION.foreign_key_checks;
    DECLARE v_zone VARCHAR(64) DEFAULT @@SESSION.time_zone;
    DECLARE v_longest BIGINT UNSIGNED DEFAULT @@SESSION.group_concat_max_len;
    DECLARE v_component CHAR(64) CHARACTER SET ascii;
    DECLARE v_state, v_winner VARCHAR(64) CHARACTER SET utf8mb4;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        DROP TEMPORARY TABLE IF EXISTS wavetank.staged;
        SET SESSION foreign_key_checks = v_checks, time_zone = v_zone, group_concat_max_len = v_longest;
        RESIGNAL;
    END;

    IF NOT COALESCE(p_strategy IN ('latest-wins', 'source-wins', 'manual'), FALSE) THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the strategy is latest-wins, source-wins or manual';
    END IF;
    IF p_strategy = 'source-wins' AND NOT EXISTS (
        SELECT 1 FROM wavetank.conflict_versions WHERE server = p_source AND server <> ''
    ) AND NOT COALESCE(p_source = @@report_host, FALSE) AND NOT EXISTS (
        SELECT 1 FROM performance_schema.replication_connection_configuration WHERE HOST = p_source AND HOST <> ''
    ) THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'source-wins needs the name of a server whose version wins';
    END IF;
    START TRANSACTION;
    SET v_component = (SELECT component FROM wavetank.replication_conflicts WHERE conflict_id = p_conflict FOR UPDATE);
    IF v_component IS NULL THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'wavetank.replication_conflicts has no conflict of that id';
    END IF;
    IF p_strategy = 'manual' THEN
        SELECT schema_name, table_name, server, operation, gtid, committed_at, before_image, after_image, kept
        FROM wavetank.conflict_versions
        WHERE component = v_component
        ORDER BY schema_name, table_name, row_id, committed_at;
        COMMIT;
        LEAVE resolve;
    END IF;
    SET v_state = (SELECT state FROM wavetank.replication_conflicts WHERE conflict_id = p_conflict);
    IF v_state = 'open' THEN
        CALL wavetank.CheckConflict(v_component);
        SET SESSION foreign_key_checks = OFF, time_zone = '+00:00', group_concat_max_len = 4294967295;
        SET @wavetank_staged = NULL;
        CALL wavetank.RemoveRows(v_component);
        CALL wavetank.KeepVersions(v_component, IF(p_strategy = 'source-wins', p_source, NULL), v_winner);
        DROP TEMPORARY TABLE IF EXISTS wavetank.staged;
        SET SESSION foreign_key_checks = v_checks, time_zone = v_zone, group_concat_max_len = v_longest;
        UPDATE wavetank.replication_conflicts
        SET state = 'resolved', strategy = p_strategy, winner = v_winner, resolved_at = UTC_TIMESTAMP(6)
        WHERE component = v_component AND state = 'open';
    END IF;
    COMMIT;
END //
DELIMITER ;
