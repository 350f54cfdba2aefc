"""Verdicts on drills, each from the files that are kept of it, and from nothing else.

A report's directory has what was declared of the drill (`declared.json`), everything that was asked for and answered
(`operations.jsonl`), and what the servers held in the end (`held.jsonl`). The drill itself is judged by the same
function on the same data, so that anybody can compute its verdict anew, or doctor its history and see it go red.
"""
