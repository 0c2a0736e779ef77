"""Judging predictions: tables in; metrics, intervals, a choice, figures and a report out."""
