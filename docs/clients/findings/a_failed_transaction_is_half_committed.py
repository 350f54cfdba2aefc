"""PyMySQL, as any driver: after an error the transaction is still open, and the next commit commits its first half.

A lock that is waited for in vain (1205) takes back one statement, not the transaction. Roll back after every error.
"""

import _server
import pymysql

blocker = _server.plain()
blocker.cursor().execute("CREATE TABLE IF NOT EXISTS half (id INT PRIMARY KEY, note VARCHAR(20))")
blocker.cursor().execute("TRUNCATE half")
blocker.cursor().execute("INSERT INTO half VALUES (1, 'locked')")
blocker.begin()
blocker.cursor().execute("UPDATE half SET note = 'mine' WHERE id = 1")

connection = pymysql.connect(
    host=_server.HOST, port=_server.PORT, user=_server.USER, password=_server.PASSWORD, database=_server.DATABASE
)
with connection.cursor() as cursor:
    cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")
    try:
        cursor.execute("INSERT INTO half VALUES (2, 'first half')")
        cursor.execute("UPDATE half SET note = 'second half' WHERE id = 1")
        connection.commit()
    except pymysql.err.OperationalError as error:
        print(f"the transaction failed: {error}")
    cursor.execute("INSERT INTO half VALUES (3, 'something else')")
    connection.commit()
there = [row[0] for row in _server.ask("SELECT id FROM half ORDER BY id")]
_server.shown(f"rows that are there: {there}; 2 is half of what failed", so=2 in there)
