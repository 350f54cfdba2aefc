"""A client of your own: copy this file to configs/clients/<name>.py, and make clients finds it.

Four functions are needed; each may be `async def`. What it has beside them, it is tried with, too: see
docs/clients/own-client.md.
"""

import pymysql

NAME = "our web shop"
KIND = "driver"  # pool or ORM: then it has to come back by itself when a fault is over
PACKAGES = ("PyMySQL",)
# Shown to be copied, and added where the matrix says hardened.
HARDENED = {"connect_timeout": 3, "read_timeout": 5, "write_timeout": 5, "ssl_verify_cert": True}


def connect(server, *, hardened):
    """Return what the other functions take: a connection, a pool, an engine."""
    settings = HARDENED | {"ssl_ca": server.ca} if hardened else {}
    return pymysql.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password,
        database=server.database,
        **settings,
    )


def read(client, statement, parameters):
    """Return the rows, as a list of tuples."""
    with client.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def write(client, statement, parameters):
    """Run one statement; it is committed when this returns."""
    transaction(client, [(statement, parameters)])


def transaction(client, statements):
    """Run all of them in one transaction; it is committed when this returns."""
    with client.cursor() as cursor:
        for statement, parameters in statements:
            cursor.execute(statement, parameters)
    client.commit()


def close(client):
    """Give up all that connect() opened."""
    client.close()
