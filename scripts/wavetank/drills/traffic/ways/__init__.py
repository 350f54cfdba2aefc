"""The ways from clients to the servers, one a file: what an application knows, and how it finds a server.

A way has WHAT (a phrase), OWN_WRITES, lacks(topology), and open_way(servers), which returns a Way. A new file here is a
new way: the drills find it by themselves. Nothing else is here.
"""
