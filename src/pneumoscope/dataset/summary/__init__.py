"""Dataset summary: statistics, figures and a page about one dataset."""
