"""Runs in folders: their listing, comparison and removal."""
