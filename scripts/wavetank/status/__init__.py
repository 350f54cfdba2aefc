"""What an instance is at the moment, for people and as JSON: servers, channels, proxies and shards.

It reports what the servers say. It judges nothing, which checks do, and changes nothing.
"""
