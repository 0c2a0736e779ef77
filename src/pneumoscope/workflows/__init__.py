"""The main jobs, composed of the rooms: experiment and evaluate."""
