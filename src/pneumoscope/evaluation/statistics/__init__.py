"""Statistics of predictions: metrics, intervals, tests, calibration and decision curves."""
