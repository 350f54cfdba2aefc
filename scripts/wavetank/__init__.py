"""Wavetank: real MySQL topologies, brought up, proven, and broken on purpose."""
