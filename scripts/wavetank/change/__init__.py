"""What moves roles and data while servers run: repoint, rebuild, handover, switchover, failover.

A change is for one caller at a time, and can be interrupted anywhere: topology-up finishes it. Nothing here checks what
came of it, or does damage.
"""
