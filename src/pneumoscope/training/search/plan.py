"""What a search is about: which settings, within which ranges, and what is held out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from pneumoscope.models import Precision, fastest_precision, find_model
from pneumoscope.support.errors import RecipeError
from pneumoscope.training.recipe import Recipe, make_recipe


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers that a setting is tried with, both ends included."""

    low: float
    high: float
    log: bool = False


Choices = tuple[int, ...] | tuple[str, ...]

SPACE: Mapping[str, Range | Choices] = {
    "image_size": (128, 160, 192, 224),
    "learning_rate": Range(3e-4, 5e-3, log=True),
    "weight_decay": Range(1e-3, 0.3, log=True),
    "label_smoothing": Range(0.0, 0.2),
    "augmentation.crop": Range(0.0, 0.5),
    "augmentation.stretch": Range(0.0, 0.5),
    "augmentation.sharpness": Range(0.0, 1.0),
    "augmentation.noise": Range(0.0, 0.1),
    "augmentation.border": Range(0.0, 0.25),
    "augmentation.erase": (0, 1, 2, 4),
    "augmentation.gamma": Range(0.0, 0.8),
    "augmentation.contrast": Range(0.0, 0.5),
    "augmentation.rotation": Range(0.0, 20.0),
}
"""What is searched, unless it is set by hand; the architecture too, if several are named."""


class HeldOut(StrEnum):
    """What each fold of a search is judged on and does not learn from."""

    PATIENTS = "patients"
    MACHINES = "machines"


@dataclass(frozen=True)
class Plan:
    """What a search is about; one that is resumed must have the same.

    Parameters
    ----------
    models
        Among which is searched.
    settings
        Set by hand, such as ``"epochs=12"``; they are not searched.
    folds
        Into which the patients of train and validation, or their machines, are dealt.
    held_out
        With patients, a trial's score is the mean over the folds of the AUC among images made alike
        (see `acquisition_strata`); with machines, of the AUC among validation and the images of a
        machine that was not learned from (see `leave_one_acquisition_out`).
    seed
        Of folds, trainings and sampler.
    precision
        Of all trials, whatever machine goes on with the search.
    """

    models: tuple[str, ...]
    settings: tuple[str, ...] = ()
    folds: int = 3
    held_out: HeldOut = HeldOut.PATIENTS
    seed: int = 0
    precision: Precision = field(default_factory=fastest_precision)

    def recipe(self, chosen: Mapping[str, object]) -> Recipe:
        """Return the recipe of a trial.

        Raises
        ------
        RecipeError
            If a setting is unknown or out of range.

        Examples
        --------
        >>> plan = Plan(models=("compact",), settings=("epochs=4",))
        >>> recipe = plan.recipe({"augmentation.crop": 0.25})
        >>> recipe.epochs, recipe.augmentation.crop
        (4, 0.25)
        """
        model = str(chosen.get("model", self.models[0]))
        searched = [f"{name}={value}" for name, value in chosen.items() if name != "model"]
        fixed = [f"seed={self.seed}", f"precision={self.precision}"]
        settings = [*fixed, *searched, *self.settings]
        return make_recipe(model, assignments=settings)

    @cached_property
    def space(self) -> dict[str, Range | Choices]:
        """What is left to search."""
        space = {
            name: values
            for name, values in SPACE.items()
            if not self.by_hand & {name, name.partition(".")[0]}
        }
        return {"model": self.models, **space} if len(self.models) > 1 else space

    @property
    def by_hand(self) -> set[str]:
        """Names of the settings that are not searched."""
        return {setting.partition("=")[0].strip() for setting in self.settings}

    @property
    def own(self) -> dict[str, Any]:
        """What of the search is nearest to the first model's own recipe."""
        settings = self.recipe({}).model_dump(mode="json")
        settings |= {f"augmentation.{name}": of for name, of in settings["augmentation"].items()}
        return {name: _nearest(settings[name], values) for name, values in self.space.items()}

    def check(self) -> None:
        """Refuse what cannot be searched.

        Raises
        ------
        RecipeError
            If a model or setting is wrong, or nothing is left to search.
        """
        for name, option in (("seed", "--seed"), ("model", "--model")):
            if name in self.by_hand:
                raise RecipeError(f"--set {name}: a search has the option {option} for it")
        if "start" in self.by_hand:
            raise RecipeError("--set start: every trial of a search begins with fresh weights")
        for model in self.models:
            if find_model(model).pretrained is not None:
                raise RecipeError(
                    f"--model {model}: on pretrained layers there is no search; name others"
                )
            self.recipe({"model": model})
        if not self.space:
            raise RecipeError("every setting is set by hand: leave out a --set, or use 'train'")


def _nearest(value: Any, values: Range | Choices) -> Any:
    """Return a recipe's value, or what of the search is nearest to it."""
    if isinstance(values, Range):
        return min(max(value, values.low), values.high)
    if value in values or isinstance(value, str):
        return value if value in values else values[0]
    return min(values, key=lambda one: abs(float(one) - value))
