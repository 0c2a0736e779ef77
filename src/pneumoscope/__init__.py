"""Learns to see pneumonia on chest radiographs, and reports honestly how well it does."""

__version__ = "0.1.0"
