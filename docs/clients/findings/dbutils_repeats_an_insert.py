"""DBUtils: an INSERT whose acknowledgement is lost is sent again, and its row is there twice."""

import _server
import pymysql
from dbutils.pooled_db import PooledDB

connection = _server.plain()
connection.cursor().execute("CREATE TABLE IF NOT EXISTS dbutils_repeats (note VARCHAR(20))")
connection.cursor().execute("TRUNCATE dbutils_repeats")
proxy = _server.LossyProxy()
pool = PooledDB(
    pymysql, host="127.0.0.1", port=proxy.port, user=_server.USER, password=_server.PASSWORD,
    database=_server.DATABASE, autocommit=True,
)  # fmt: skip
lent = pool.connection()
cursor = lent.cursor()
cursor.execute("SELECT 1")
cursor.fetchall()
proxy.lose_answers()
cursor.execute("INSERT INTO dbutils_repeats VALUES ('once')")
rows = _server.ask("SELECT COUNT(*) FROM dbutils_repeats")[0][0]
_server.shown(f"inserted once without an exception; {rows} rows are there", so=rows == 2)
