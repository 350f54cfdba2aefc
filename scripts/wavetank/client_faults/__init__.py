"""Client libraries under faults: what each library does, what hits it, and what is made of what it said and wrote.

What runs in the clients' own environment imports nothing of the testbed's; nobody but `wavetank clients` imports this.
"""
