"""Rows spread over several sources: which shard a key belongs to, who knows it, and what keeps all to it."""
