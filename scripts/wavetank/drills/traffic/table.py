"""The table that clients write to, and what they say to it."""

from wavetank.servers.node import Server

# A stored function, so that neither proxies nor libraries see a variable, for which they would keep a session's
# connection: whom an acknowledgement came from must not change where the next statement goes.
SERVER_ID_FUNCTION = "drill.taker"
TABLE = (
    "CREATE SCHEMA IF NOT EXISTS drill",
    f"DROP FUNCTION IF EXISTS {SERVER_ID_FUNCTION}",
    f"CREATE FUNCTION {SERVER_ID_FUNCTION}() RETURNS BIGINT UNSIGNED NO SQL RETURN @@GLOBAL.server_id",
    "DROP TABLE IF EXISTS drill.operations",
    # An id may be there twice: that is for the verdict to see. There is no auto-increment, whose value would come
    # back in place of the server.
    """
    CREATE TABLE drill.operations (
        u BINARY(16) DEFAULT (UUID_TO_BIN(UUID(), TRUE)) PRIMARY KEY,
        client INT NOT NULL, id BIGINT NOT NULL, taker BIGINT UNSIGNED NOT NULL,
        KEY own (client, id), KEY id (id)
    )
    """,
)
# MySQL returns no rows of an INSERT; its acknowledgement holds one number, which here is the server's id.
INSERT = f"INSERT INTO drill.operations (client, id, taker) VALUES (%s, %s, LAST_INSERT_ID({SERVER_ID_FUNCTION}()))"
NEWEST = f"SELECT COALESCE(MAX(id), 0) AS id, {SERVER_ID_FUNCTION}() AS taker FROM drill.operations WHERE client = %s"


def held_ids(server: Server) -> list[int]:
    """Return the ids that a server holds, as often as it does."""
    return [row["id"] for row in server.query("SELECT id FROM drill.operations", account="admin")]
