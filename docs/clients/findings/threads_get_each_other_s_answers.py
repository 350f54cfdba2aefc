"""PyMySQL: threads that share one connection get each other's answers (threadsafety is 1: share the module only)."""

import threading

import _server

connection = _server.plain()
wrong, failed = [], []


def ask(first):
    for number in range(first, first + 50):
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT %s", (number,))
                got = cursor.fetchall()[0][0]
        except Exception as error:  # whatever comes of it
            failed.append(repr(error))
            return
        if int(got) != number:
            wrong.append((number, got))


threads = [threading.Thread(target=ask, args=(at * 1000,), daemon=True) for at in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(10)
found = f"{len(wrong)} wrong answers, {len(failed)} exceptions: {(wrong or failed)[:2]}"
_server.shown(found, so=bool(wrong or failed))
