"""Monitoring of a running clinic: statistics per period, drift, agreement, and alerts."""
