"""Hyperparameter search over recipes, by cross-validation on the train and validation splits."""

from pneumoscope.training.search.page import PAGE_FILE, write_page
from pneumoscope.training.search.plan import HeldOut, SearchPlan
from pneumoscope.training.search.search import Search

__all__ = ["PAGE_FILE", "HeldOut", "Search", "SearchPlan", "write_page"]
