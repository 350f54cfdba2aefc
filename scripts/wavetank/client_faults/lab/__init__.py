"""Where clients are put under faults: their container, their accounts, their processes, and what comes of a cell.

It knows what a fault is, and not which there are; it judges nothing.
"""
