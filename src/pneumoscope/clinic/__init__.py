"""The clinic around a reading: intake, queue, worklist, accounts, audit trail and API."""
