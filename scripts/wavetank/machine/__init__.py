"""The machine that servers run on: containers, their network, their disk.

Nothing here knows MySQL, a topology or an instance; callers say the names of containers.
"""
