"""Export: finished Runs in, a bundle out, with everything fitted on validation data."""
