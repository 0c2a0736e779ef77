"""The clinic around a reading: intake, queue, worklist, accounts, audit trail and API.

Functions that change something take a session in a write transaction; every ``now`` has a time
zone.
"""
