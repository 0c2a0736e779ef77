"""Search plan: the settings that are searched, their ranges, and what each fold holds out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from pneumoscope.models import Precision, fastest_precision
from pneumoscope.support.errors import RecipeError
from pneumoscope.training.recipe import Recipe, make_recipe


@dataclass(frozen=True, slots=True)
class Range:
    """Range of a numerical setting, both ends included."""

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
    "augmentation.border_blank": Range(0.0, 0.25),
    "augmentation.random_erasing": (0, 1, 2, 4),
    "augmentation.gamma": Range(0.0, 0.8),
    "augmentation.contrast": Range(0.0, 0.5),
    "augmentation.rotation": Range(0.0, 20.0),
}
"""Search space, without the settings that are fixed; several models are searched among, too."""


class HeldOut(StrEnum):
    """Part of the data that each fold of a search is evaluated on and not trained on."""

    PATIENTS = "patients"
    ACQUISITION = "acquisition"


@dataclass(frozen=True)
class SearchPlan:
    """Settings of a search; a search is resumed with the same ones.

    ``settings`` are fixed and not searched, such as ``"epochs=12"``. With patients held out, a
    trial's score is the mean over the folds of the AUC within strata of the acquisition (see
    `acquisition_strata`); with acquisition, of the AUC on validation and the images of an
    acquisition that was not trained on (see `leave_one_acquisition_out`). All trials have the same
    precision, whichever computer continues the search.
    """

    models: tuple[str, ...]
    settings: tuple[str, ...] = ()
    folds: int = 3
    held_out: HeldOut = HeldOut.PATIENTS
    seed: int = 0
    precision: Precision = field(default_factory=fastest_precision)

    def recipe(self, parameters: Mapping[str, object]) -> Recipe:
        """Return the recipe of a trial.

        Raises
        ------
        RecipeError
            If a setting is unknown or out of range.

        Examples
        --------
        >>> plan = SearchPlan(models=("compact",), settings=("epochs=4",))
        >>> recipe = plan.recipe({"augmentation.crop": 0.25})
        >>> recipe.epochs, recipe.augmentation.crop
        (4, 0.25)
        """
        model = str(parameters.get("model", self.models[0]))
        searched = [f"{name}={value}" for name, value in parameters.items() if name != "model"]
        fixed = [f"seed={self.seed}", f"precision={self.precision}"]
        return make_recipe(model, assignments=[*fixed, *searched, *self.settings])

    @cached_property
    def space(self) -> dict[str, Range | Choices]:
        """Search space without the fixed settings."""
        space = {
            name: values
            for name, values in SPACE.items()
            if not self.fixed & {name, name.partition(".")[0]}
        }
        return {"model": self.models, **space} if len(self.models) > 1 else space

    @property
    def fixed(self) -> set[str]:
        """Names of the settings that are not searched."""
        return {setting.partition("=")[0].strip() for setting in self.settings}

    @property
    def default_parameters(self) -> dict[str, Any]:
        """Point of the search space that is nearest to the first model's default recipe."""
        settings = self.recipe({}).model_dump(mode="json")
        augmentation = settings["augmentation"].items()
        settings |= {f"augmentation.{name}": value for name, value in augmentation}
        return {name: _nearest(settings[name], values) for name, values in self.space.items()}

    def validate(self) -> None:
        """Raise a `RecipeError` if a model or setting is wrong, or nothing is left to search."""
        for name, option in (("seed", "--seed"), ("model", "--model")):
            if name in self.fixed:
                raise RecipeError(f"--set {name}: use the option {option} of a search instead")
        if "start" in self.fixed:
            raise RecipeError("--set start: every trial of a search starts from random weights")
        for model in self.models:
            recipe = self.recipe({"model": model})
            if recipe.spec.feature_shape(recipe.image_size) is not None:
                raise RecipeError(
                    f"--model {model}: models with frozen layers cannot be searched; name others"
                )
        if not self.space:
            raise RecipeError(
                "every setting is fixed, so there is nothing to search; leave out a --set, or use "
                "'pneumoscope train'"
            )


def _nearest(value: Any, values: Range | Choices) -> Any:
    """Return the member of a range or of choices that is nearest to a value."""
    if isinstance(values, Range):
        return min(max(value, values.low), values.high)
    if value in values or isinstance(value, str):
        return value if value in values else values[0]
    return min(values, key=lambda choice: abs(float(choice) - value))
