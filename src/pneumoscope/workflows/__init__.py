"""Main jobs, composed of the other rooms: an experiment, and an evaluation."""
