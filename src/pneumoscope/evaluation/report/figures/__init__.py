"""Figures of predictions: ROC, calibration, decision curves, subgroups, forest plots."""
