"""Where a client goes, and as whom."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Server:
    """A MySQL server, or what stands in front of one.

    Attributes:
        host: its name, which its certificate has, unless `named` is False.
        port: its TCP port.
        user: the account.
        password: the account's.
        database: the default schema.
        ca: the path of the certificate that vouches for it.
        named: whether the certificate has the name; without, a client can only verify the authority.
        replica: the name of a server that replicates from it, for clients that read elsewhere than they write.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    ca: str
    named: bool = True
    replica: str = ""
