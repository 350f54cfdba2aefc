"""What the scripts beside this share: where the server is, and a proxy that loses what the server answers.

They need a MySQL server, an account with all rights to a schema, and the library that they are about:

    MYSQL_HOST=127.0.0.1 MYSQL_PORT=3306 MYSQL_USER=test MYSQL_PASSWORD=test MYSQL_DATABASE=test python <script>
"""

import faulthandler
import os
import socket
import threading

import pymysql

# A script that hangs where it should not says where.
faulthandler.dump_traceback_later(80, exit=True)
HOST = os.environ.get("MYSQL_HOST", "127.0.0.1")
PORT = int(os.environ.get("MYSQL_PORT", "3306"))
USER = os.environ.get("MYSQL_USER", "test")
PASSWORD = os.environ.get("MYSQL_PASSWORD", "test")
DATABASE = os.environ.get("MYSQL_DATABASE", "test")


def plain():
    """Return a connection of PyMySQL's that is not part of what is shown."""
    return pymysql.connect(host=HOST, port=PORT, user=USER, password=PASSWORD, database=DATABASE, autocommit=True)


def ask(statement, *parameters):
    """Return the rows of a statement, asked on a connection of its own."""
    connection = plain()
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows = cursor.fetchall()
    connection.close()
    return rows


class LossyProxy:
    """Stands between a client and the server; from lose_answers() on, one answer is lost and its connection cut."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._losing = threading.Event()
        self._silent = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_answers(self):
        """Lose the next answer, and cut its connection."""
        self._losing.set()

    def be_silent(self):
        """Lose every answer from now on, and cut nothing: as a server that stands still."""
        self._silent.set()

    def _accept(self):
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection((HOST, PORT))
            threading.Thread(target=self._pass, args=(client, server), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    def _pass(self, source, target):
        while data := _received(source):
            target.sendall(data)
        target.close()

    def _answer(self, server, client):
        while data := _received(server):
            if self._losing.is_set():
                self._losing.clear()
                client.shutdown(socket.SHUT_RDWR)
                return
            if not self._silent.is_set():
                client.sendall(data)
        client.close()


def _received(source):
    try:
        return source.recv(65536)
    except OSError:
        return b""


def shown(says, *, so):
    """Say what was found, and end: 0 where it is as the script says, 1 where this version does not do it any more."""
    print(says, flush=True)
    # At once: what libraries do at the end of a process would be said to a proxy whose threads have stopped.
    os._exit(0 if so else 1)
