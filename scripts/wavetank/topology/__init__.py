"""What should be: the model of a topology, its inventory, proxies, names and sizes, and an instance's files.

Nothing here asks a server or the container engine.
"""
