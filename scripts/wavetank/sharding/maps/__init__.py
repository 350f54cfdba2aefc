"""Shard maps: which shard a key belongs to, by several methods behind one interface.

Nothing here asks a server. `factory` makes maps and reads them back; every other file is a
method, or what methods share.
"""
