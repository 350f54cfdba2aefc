"""The checks, one question a file; the file's name is the check's.

A check has QUESTION (a sentence), concerns(topology) (the nodes or proxies it is asked of) and examine(node, servers),
which yields what it found, and where it did not ask, why. A new file here is a new check: the commands and the test
suites find it by themselves, and tests/broken/ fails until it has been seen red. Nothing else is here.
"""
