"""From an inventory to running servers: plan, ports, rendered files, certificates, images, engine, playbook steps.

What is needed before a server runs is here. What is asked or changed while it runs is not.
"""
