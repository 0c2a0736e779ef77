"""Fixtures of the tests of trainings."""

import pytest


@pytest.fixture(autouse=True)
def _no_figures(no_figures: None) -> None:
    """Train without drawing."""
