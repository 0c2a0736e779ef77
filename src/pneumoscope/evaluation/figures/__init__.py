"""What is drawn: figures of predictions, calibration, usefulness, subgroups and comparisons."""
