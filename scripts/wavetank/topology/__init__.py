"""What should be: the model of a topology, how it is read and scaled, proxies, names, sizes, and an instance's files.

Nothing here asks a server or the container engine.
"""
