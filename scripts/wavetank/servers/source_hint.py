"""The hint that sends a statement to the source, by whichever way it comes to the servers."""

# A comment with this text, anywhere in a statement, sends it to the source: for what must see its own writes.
HINT = "wavetank:source"
