"""One MySQL server: connections, GTID sets, replication, lag, settings in force, checksums, kinds of statements.

What is asked of a server, and what it needs to be as the inventory says, is here. Nothing here knows of shards, proxies
or drills.
"""
