"""Queries over all shards: sent to each, and what comes back merged exactly as one server would have answered."""
