"""One client in a process of its own: it does what a scenario says, and tells what happened line by line.

Runs in the clients' environment: imports client_faults.subjects, a library, and nothing else. It judges nothing.
"""
