"""What an application does to an instance and sees of it: writes and reads, a log of each, and a verdict.

The verdict is computed from the log and from what the servers hold afterwards, never from what somebody believes
to have happened in between.
"""
