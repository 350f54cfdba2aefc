"""The routes from clients to the servers, one a file: what an application knows, and how it finds a server.

A route has WHAT (a phrase), OWN_WRITES, lacks(topology), and open_route(servers), which returns a ClientRoute. A new
file here is a new route: the drills find it by themselves. Nothing else is here.
"""
