"""Hyperparameter search: trials on folds of train and validation."""
