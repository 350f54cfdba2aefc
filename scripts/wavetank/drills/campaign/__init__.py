"""Many storms, drawn from a seed: which drill on which topology, with which second fault.

A campaign judges nothing and damages nothing itself: it runs drills as a person would, and sums up their reports.
"""
