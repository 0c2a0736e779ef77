"""Stress tests: perturbations, shortcuts, failures and near-duplicates of a reader's images."""
