"""PyMySQL, mysqlclient, mysql-connector-python: without a read timeout a statement waits while the server is silent."""

import sys
import threading

import _server

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
LIBRARIES = {"pymysql": "pymysql", "MySQLdb": "mysqlclient", "mysql.connector": "mysql-connector-python"}


def waits(module, port):
    """Return whether a read has neither an answer nor an exception after that time."""
    library = __import__(module, fromlist=["connect"])
    connection = library.connect(
        host="127.0.0.1", port=port, user=_server.USER, password=_server.PASSWORD, database=_server.DATABASE
    )
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    cursor.fetchall()
    ended = threading.Event()

    def read():
        try:
            cursor.execute("SELECT 2")
        finally:
            ended.set()

    proxies[module].be_silent()
    threading.Thread(target=read, daemon=True).start()
    return not ended.wait(SECONDS)


proxies = {module: _server.LossyProxy() for module in LIBRARIES}
found = {name: waits(module, proxies[module].port) for module, name in LIBRARIES.items()}
_server.shown(f"still waiting after {SECONDS:g} s: {found}", so=all(found.values()))
