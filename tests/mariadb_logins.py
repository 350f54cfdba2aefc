"""Log in from several threads at the same moment by MariaDB's client library, as Debian's sysbench does.

Usage: python tests/mariadb_logins.py PORT THREADS SECRET CA SCHEMA
Prints each answer and how often it came: "ok" or error number and text. SECRET is the file of app_rw's password.
"""

import ctypes
import sys
import threading
from collections import Counter
from pathlib import Path

USER = b"app_rw"
WAIT_S = 20


def main() -> None:
    """Let every thread log in once, all together."""
    port, threads, secret, ca, schema = sys.argv[1:]
    library = _library()
    password = Path(secret).read_bytes()
    together = threading.Barrier(int(threads))
    answers: list[str] = []

    def log_in() -> None:
        handle = library.mysql_init(None)
        library.mysql_ssl_set(handle, None, None, ca.encode(), None, None)
        together.wait(WAIT_S)
        connected = library.mysql_real_connect(
            handle, b"127.0.0.1", USER, password, schema.encode(), int(port), None, 0
        )
        error = f"{library.mysql_errno(handle)} {library.mysql_error(handle).decode()}"
        answers.append("ok" if connected else error)
        library.mysql_close(handle)

    users = [threading.Thread(target=log_in) for _ in range(int(threads))]
    for user in users:
        user.start()
    for user in users:
        user.join()
    for answer, count in Counter(answers).items():
        sys.stdout.write(f"{count} x {answer}\n")


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL("libmariadb.so.3")
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint
    for name, returned, taken in (
        ("mysql_init", pointer, [pointer]),
        ("mysql_ssl_set", ctypes.c_int, [pointer, text, text, text, text, text]),
        ("mysql_real_connect", pointer, [pointer, text, text, text, text, number, text, ctypes.c_ulong]),
        ("mysql_errno", number, [pointer]),
        ("mysql_error", text, [pointer]),
        ("mysql_close", None, [pointer]),
    ):
        getattr(library, name).restype, getattr(library, name).argtypes = returned, taken
    library.mysql_server_init(0, None, None)
    return library


if __name__ == "__main__":
    main()
