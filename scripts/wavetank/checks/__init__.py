"""What a topology must prove: the questions, one a file, and who asks them.

Asking never prints, never mends, and never takes the answer from the inventory; what people read of it is elsewhere.
"""
