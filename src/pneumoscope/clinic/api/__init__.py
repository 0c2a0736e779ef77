"""HTTP API of the clinic."""
