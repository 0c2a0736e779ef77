"""The hospital around a Reading: intake, durable queue, worklist, accounts, audit, and the API."""
