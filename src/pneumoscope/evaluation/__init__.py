"""Evaluation of predictions: tables in; metrics, intervals, a choice and a report out."""
