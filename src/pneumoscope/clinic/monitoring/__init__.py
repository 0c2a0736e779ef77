"""What a running clinic is watched by: figures, comparisons, alerts."""
