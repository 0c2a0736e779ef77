"""The durable queue: images taken in, leased by workers, read and stored once."""
