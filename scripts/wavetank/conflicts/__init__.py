"""Conflicts between servers that take writes and replicate from each other: seen, recorded, resolved.

Replication itself reports only some of them: two updates of one row, each applied on the other's server,
raise no error and leave different rows. So they are found in the binary logs, in four steps of a module each:
`history` reads what each server was asked to do, `detect` says which changes were made without knowledge of
each other and touch the same thing, `record` writes that down, and `resolve` lets one version win everywhere.
"""
