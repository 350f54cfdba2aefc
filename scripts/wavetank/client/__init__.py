"""What an application imports: reads and writes split over replicas, and transactions on the shard of their key.

Nothing of the testbed is here or imported: no containers, no playbooks, no command line.
"""
