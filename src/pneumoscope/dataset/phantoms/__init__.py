"""Phantoms: synthetic chest radiographs."""
