"""What a ProxySQL should be, what it is, and how it is told of another source.

It is asked and told through its admin port. That there is one, and with which servers, is said by the topology.
"""
