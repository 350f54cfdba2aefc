"""It returns the answer to the question before."""

from wavetank.client_faults.subjects import pymysql as plain
from wavetank.client_faults.subjects.pymysql import close, connect, transaction, write

__all__ = ["close", "connect", "read", "transaction", "write"]

_answers = [((0,),)]


def read(client, statement, parameters=()):
    _answers.append(plain.read(client, statement, parameters))
    return _answers.pop(0)
