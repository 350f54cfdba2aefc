"""The client libraries, a file each, found by themselves; a file imports its library and subjects.server, no more.

A file has
    NAME         the library as its users call it
    KIND         "driver", "pool" or "ORM"
    PACKAGES     the distributions whose versions are reported
    connect(server, *, hardened)                    returns what the other functions take: a connection, pool or engine
    read(client, statement, parameters)             returns the rows, as a list of tuples
    write(client, statement, parameters)            one statement, committed when it returns
    transaction(client, statements)                 all of them in one transaction, committed when it returns
and, of what the library has, these:
    HARDENED     the settings that `hardened` adds, as they are to be copied
    close(client)                                   gives up all that connect() has opened
    borrow(pool), give_back(pool, connection)       of a pool
    limit(pool)                                     how many connections it lends at most, None for no limit
    held(pool)                                      how many connections it says that it has
    run(connection, statement, parameters)          on a borrowed connection, or on a driver's: commits nothing itself
    commit(connection)                              the same
    result(connection, statement, parameters)       sends a statement and leaves its rows unread

`statements` are pairs of a statement and its parameters, as they come: what is to happen between two of them happens
while the next one is taken. Who tries a transaction again takes them from the beginning.

Each of these functions may be `async def`. Statements have %s where a parameter goes.
"""
