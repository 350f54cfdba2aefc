"""The binary log of a server: what was written, and with which values.

It is read and decoded here. What follows from two logs, conflicts or a resharding, is not here.
"""
