"""Phantoms: generated chest radiographs of nobody, for the demo and for tests."""
