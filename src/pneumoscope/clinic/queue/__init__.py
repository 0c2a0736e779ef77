"""Durable queue: intake of images, leases by workers, storage of readings."""
