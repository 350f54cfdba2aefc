"""Every subject under every fault: what is asked for, what runs it, and the table, the page and the JSON of it."""
