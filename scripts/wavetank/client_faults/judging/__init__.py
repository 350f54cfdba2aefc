"""What is made of a cell: its outcome, from what the client told and what the tables hold. Asks nobody."""
