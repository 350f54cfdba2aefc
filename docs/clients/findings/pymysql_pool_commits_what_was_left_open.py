"""pymysql-pool: a transaction that its borrower left open is committed when the connection comes back."""

import _server
import pymysqlpool

connection = _server.plain()
connection.cursor().execute("CREATE TABLE IF NOT EXISTS left_open (note VARCHAR(20))")
connection.cursor().execute("TRUNCATE left_open")
pool = pymysqlpool.ConnectionPool(
    size=1, maxsize=1, host=_server.HOST, port=_server.PORT, user=_server.USER, password=_server.PASSWORD,
    database=_server.DATABASE, autocommit=True,
)  # fmt: skip
lent = pool.get_connection()
with lent.cursor() as cursor:
    cursor.execute("START TRANSACTION")
    cursor.execute("INSERT INTO left_open VALUES ('never committed')")
lent.close()
again = pool.get_connection()
with again.cursor() as cursor:
    cursor.execute("START TRANSACTION")
    cursor.execute("SELECT 1")
again.commit()
again.close()
rows = _server.ask("SELECT COUNT(*) FROM left_open")[0][0]
_server.shown(f"never committed by its borrower; {rows} rows are there", so=rows == 1)
