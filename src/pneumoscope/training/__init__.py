"""Training: from a manifest and a recipe to a Run directory."""

from pneumoscope.training.evaluate import evaluate_once, evaluate_run
from pneumoscope.training.examples import ExampleStore
from pneumoscope.training.recipe import Recipe, make_recipe
from pneumoscope.training.run import Run
from pneumoscope.training.train import train

__all__ = ["ExampleStore", "Recipe", "Run", "evaluate_once", "evaluate_run", "make_recipe", "train"]
