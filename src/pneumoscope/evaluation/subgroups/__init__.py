"""Subgroup analysis: a model's performance in each subgroup, and the gap to all others."""
