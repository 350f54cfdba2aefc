"""peewee's ReconnectMixin: an INSERT whose acknowledgement is lost is sent again, and its row is there twice."""

import _server
from peewee import MySQLDatabase
from playhouse.shortcuts import ReconnectMixin


class Database(ReconnectMixin, MySQLDatabase):
    """As the documentation has it."""


connection = _server.plain()
connection.cursor().execute("CREATE TABLE IF NOT EXISTS peewee_repeats (note VARCHAR(20))")
connection.cursor().execute("TRUNCATE peewee_repeats")
proxy = _server.LossyProxy()
database = Database(
    _server.DATABASE, host="127.0.0.1", port=proxy.port, user=_server.USER, password=_server.PASSWORD
)  # fmt: skip
database.execute_sql("SELECT 1").fetchall()
proxy.lose_answers()
database.execute_sql("INSERT INTO peewee_repeats VALUES ('once')")
rows = _server.ask("SELECT COUNT(*) FROM peewee_repeats")[0][0]
_server.shown(f"inserted once without an exception; {rows} rows are there", so=rows == 2)
