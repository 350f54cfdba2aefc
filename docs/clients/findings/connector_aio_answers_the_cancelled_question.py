"""mysql.connector.aio: after an await was cancelled, the next read gets the answer to the cancelled one."""

import asyncio

import _server
import mysql.connector.aio


async def main():
    connection = await mysql.connector.aio.connect(
        host=_server.HOST, port=_server.PORT, user=_server.USER, password=_server.PASSWORD, database=_server.DATABASE
    )

    async def ask(number, seconds):
        async with await connection.cursor() as cursor:
            await cursor.execute("SELECT %s FROM (SELECT SLEEP(%s)) AS slow", (number, seconds))
            return (await cursor.fetchall())[0][0]

    slow = asyncio.create_task(ask(1, 1.0))
    await asyncio.sleep(0.3)
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)
    return await ask(2, 0)


got = int(asyncio.run(main()))
_server.shown(f"asked for 2, got {got}", so=got == 1)
