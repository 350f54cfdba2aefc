"""The accounts of every server, one a purpose; what each may do is in configs/sql/accounts_and_grants.sql.j2."""

ACCOUNTS = ("admin", "replication", "monitor", "app_rw", "app_ro")
# What applications come as, where one of them has to be named.
APP_ACCOUNT = "app_rw"
