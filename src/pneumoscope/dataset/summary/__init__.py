"""Summary of a dataset: statistics, figures and a page."""
