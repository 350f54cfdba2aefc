"""What a client does while something goes wrong, a function each: it takes the client, and tells what happened.

Every scenario ends alike: `recover` asks until there is an answer again, and then gives everything up. What only the
scenario can see is told as a claim, which holds or does not.
"""
