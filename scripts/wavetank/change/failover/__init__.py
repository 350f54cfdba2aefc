"""Another source because the old one is gone: detection, choice, fence, collection, record; a file each.

What a failover shares with a switchover is beside this package, not in it.
"""
