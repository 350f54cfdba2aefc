"""Online resharding: customers move to other shards while applications go on, and nothing is lost.

The order is: prepare (every client knows which keys will move), copy from a snapshot, follow the binary logs, compare,
cut over (a short block of the moving keys only), remove what has moved. `run.reshard` goes through it, and goes on
where a run that was killed has stopped; `run.abort` takes it back. `ledger` is what has been done, as tables.
"""
