"""The sample shop: its rows, the same on every machine, whole on a server or spread over shards.

Only data of the sample is here. Which shard a row belongs to is said by the package sharding.
"""
