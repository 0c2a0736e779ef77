"""Judging that must read the images again: local validation, stress tests, failures."""
