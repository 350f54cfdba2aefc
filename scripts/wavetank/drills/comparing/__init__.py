"""One drill under several settings, several runs of each, and the figures beside each other."""
