"""Recipe: the settings of a training."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pneumoscope.lungs import Framing, Preparation
from pneumoscope.models import ModelSpec, Precision, fastest_precision, find_model
from pneumoscope.radiograph import Resampling
from pneumoscope.support.errors import RecipeError
from pneumoscope.support.files import write_text
from pneumoscope.training import recipe_format


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EarlyStopping(_Settings):
    """Early stopping when the validation loss has not improved for ``patience`` epochs (Keras)."""

    patience: int = Field(3, ge=1, description="epochs without improvement")


class ReduceLROnPlateau(_Settings):
    """Reduction of the learning rate on a plateau of the validation loss (Keras)."""

    factor: float = Field(0.5, gt=0, lt=1, description="factor of the learning rate")
    patience: int = Field(1, ge=1, description="epochs without improvement")
    min_delta: float = Field(1e-4, ge=0, description="smallest change that counts as improvement")


class OneCycle(_Settings):
    """One-cycle schedule: a linear warm-up, then a cosine decay to zero."""

    warmup: float = Field(0.2, gt=0, lt=1, description="fraction of all batches")


class Augmentation(_Settings):
    """Random changes of each training image; all are off by default, as in the notebook."""

    rotation: float = Field(0.0, ge=0, le=180, description="largest angle, degrees to either side")
    zoom: float = Field(0.0, ge=0, lt=1, description="largest fraction, in or out")
    shift: float = Field(0.0, ge=0, lt=1, description="largest fraction of the side, each way")
    flip: bool = Field(False, description="mirror half the images left to right")
    crop: float = Field(0.0, ge=0, lt=1, description="largest fraction of each side cut away")
    stretch: float = Field(0.0, ge=0, lt=1, description="largest logarithm of width by height")
    histogram_matching: float = Field(
        0.0, ge=0, le=1, description="largest share of the way to another image's histogram"
    )
    gamma: float = Field(0.0, ge=0, lt=3, description="largest logarithm of the exponent")
    contrast: float = Field(0.0, ge=0, lt=1, description="largest fraction, more or less")
    blur: float = Field(
        0.0, ge=0, le=0.1, description="largest deviation of a Gaussian blur, fraction of the side"
    )
    sharpness: float = Field(0.0, ge=0, le=1, description="largest share of fine detail changed")
    noise: float = Field(0.0, ge=0, lt=1, description="largest standard deviation")
    grain: float = Field(
        0.0, ge=0, lt=1, description="the same, in grains of one or two pixels; black stays black"
    )
    border_blank: float = Field(
        0.0, ge=0, lt=0.5, description="largest depth of a border of one grey, in half the images"
    )
    border_swap: float = Field(
        0.0, ge=0, lt=0.5, description="largest depth of another image's border, in half the images"
    )
    random_erasing: int = Field(0, ge=0, le=16, description="number of rectangles of one grey")
    mixup: float = Field(0.0, ge=0, le=0.5, description="largest share of another image and label")

    @property
    def active(self) -> bool:
        """Whether any change is on."""
        return any(self.model_dump().values())

    @property
    def moves(self) -> bool:
        """Whether any change moves pixels."""
        return any((self.rotation, self.zoom, self.shift, self.flip, self.crop, self.stretch))


class ClassBalance(StrEnum):
    """Correction for unequal numbers of images of the classes, overall or of an acquisition."""

    NONE = "none"
    WEIGHTED_LOSS = "weighted_loss"
    SAMPLER = "sampler"
    ACQUISITION = "acquisition"


class EpochChoice(StrEnum):
    """Epoch whose weights a Run keeps: the last, or the one of the lowest validation loss."""

    LAST = "last"
    BEST = "best"


class Recipe(_Settings):
    """Settings of a training; the defaults are those of Keras and the notebook, except precision.

    Examples
    --------
    >>> recipe = Recipe(model="model_2", seed=7)
    >>> path = getfixture("tmp_path") / "recipe.yaml"
    >>> recipe.write(path)
    >>> Recipe.read(path) == recipe
    True
    """

    model: str
    seed: int = Field(0, ge=0, description="random seed of weights, order of images, dropout")
    precision: Precision = Field(
        default_factory=fastest_precision,
        description="float32, as in the notebook, or bfloat16, of convolutions and dense layers; "
        "by default the faster on the computer where the recipe is made",
    )
    image_size: int = Field(150, ge=64, le=1024, description="side of the square images, in pixels")
    resampling: Resampling = Field(Resampling.NEAREST, description="nearest (notebook) or bilinear")
    framing: Framing = Field(
        Framing.WHOLE,
        description="whole image, lung_box (the box of the lungs) or lungs (all else black)",
    )
    epochs: int = Field(10, ge=1, le=10_000, description="largest number of epochs")
    batch_size: int = Field(32, ge=2, le=4096, description="number of images in a batch")
    learning_rate: float = Field(1e-3, gt=0, description="AdamW's rate; with one_cycle the highest")
    adam_epsilon: float = Field(1e-7, gt=0, description="Adam's epsilon; Keras' default")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's weight decay of kernels")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of labels spread evenly")
    subtype_weight: float = Field(0.0, ge=0, description="loss weight of the task viral/bacterial")
    weight_average: float = Field(0.0, ge=0, lt=1, description="decay of the average, per batch")
    l2: float = Field(
        0.01,
        ge=0,
        description="L2 factor of models 5 to 7; cut off in the notebook's text, whose printed "
        "losses fit it; the default of Keras' l2()",
    )
    weights: str = Field(
        "imagenet",
        description="pretrained weights: imagenet, none or a path; for hub a name or a folder",
    )
    start: str | None = Field(None, description="finished Run of the same model to start from")
    head_epochs: int = Field(0, ge=0, description="number of first epochs with hub's layers frozen")
    pretrained_rate: float = Field(1.0, gt=0, le=1, description="rate of hub's layers, as a share")
    early_stopping: EarlyStopping | None = EarlyStopping()
    keep: EpochChoice = Field(
        EpochChoice.LAST,
        description="epoch of the kept weights: last, or best (lowest validation loss)",
    )
    reduce_on_plateau: ReduceLROnPlateau | None = None
    one_cycle: OneCycle | None = None
    augmentation: Augmentation = Augmentation()
    class_balance: ClassBalance = ClassBalance.NONE
    threshold: float = Field(0.5, ge=0, le=1, description="probability that counts as PNEUMONIA")

    @field_validator("model")
    @classmethod
    def _known(cls, name: str) -> str:
        return find_model(name).name

    @model_validator(mode="after")
    def _accepted_by_the_network(self) -> Self:
        if reason := self.spec.refusal(start=self.start, subtype_weight=self.subtype_weight):
            raise ValueError(reason)
        return self

    @model_validator(mode="after")
    def _lungs_are_averaged(self) -> Self:
        if self.framing is not Framing.WHOLE and self.resampling is Resampling.NEAREST:
            raise ValueError(f"framing: {self.framing} needs resampling: bilinear; set both")
        return self

    @model_validator(mode="after")
    def _one_schedule(self) -> Self:
        if self.one_cycle and (self.early_stopping or self.reduce_on_plateau):
            raise ValueError(
                "one_cycle plans the whole training: set early_stopping and reduce_on_plateau to "
                "null, or one_cycle"
            )
        return self

    @property
    def spec(self) -> ModelSpec:
        """Catalogue entry of the network."""
        return find_model(self.model)

    @property
    def preparation(self) -> Preparation:
        """Preparation of the radiographs."""
        return Preparation(self.image_size, self.resampling, self.framing)

    @property
    def feature_shape(self) -> tuple[int, int, int] | None:
        """Shape of the frozen layers' output where it is computed once for all epochs, else None.

        Augmented images differ in every epoch, so frozen layers then see them anew each time.
        """
        return None if self.augmentation.active else self.spec.feature_shape(self.image_size)

    def to_yaml(self) -> str:
        """Return the recipe as YAML."""
        content = {"format": recipe_format.FORMAT, **self.model_dump(mode="json")}
        return yaml.safe_dump(content, sort_keys=False)

    def write(self, path: Path) -> None:
        """Write the recipe as YAML, atomically."""
        write_text(path, self.to_yaml())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a recipe; settings of older formats are converted.

        Raises
        ------
        RecipeError
            If the file is not YAML or of a newer format, or a setting is unknown or out of range.
        """
        return cls._validate(recipe_format.read_settings(path), str(path))

    @classmethod
    def _validate(cls, settings: Mapping[str, Any], source: str) -> Self:
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            raise RecipeError(f"{source}: {_describe(error)}") from error


def make_recipe(
    model: str, file: Path | None = None, assignments: Sequence[str] = (), **settings: object
) -> Recipe:
    """Compose a recipe from the model's defaults, a file's settings and single settings.

    Parameters
    ----------
    model
        Name of the model.
    file
        YAML file with any of the recipe's settings.
    assignments
        Single settings, such as ``"learning_rate=0.0005"`` or ``"augmentation.rotation=10"``, as on
        the command line; the last one wins.
    **settings
        Further settings by name, overridden by ``assignments``; those of a group, such as
        ``augmentation={"rotation": 10}``, leave its others as they are.

    Raises
    ------
    RecipeError
        If a setting is unknown, out of range or cannot be read.

    Examples
    --------
    >>> make_recipe("model_4", assignments=["augmentation.rotation=10"]).augmentation.rotation
    10.0
    >>> make_recipe("model_1", assignments=["speed=9"])
    Traceback (most recent call last):
    pneumoscope.support.errors.RecipeError: --set: 'speed' is not a setting; the settings are ...
    """
    merged: dict[str, Any] = dict(find_model(model).settings)
    if file is not None:
        merged |= recipe_format.read_settings(file)
        if merged.setdefault("model", model) != model:
            raise RecipeError(
                f"{file}: the recipe is for {merged['model']}, not {model}; change its line "
                f"'model' or ask for --model {merged['model']}"
            )
        Recipe._validate({"model": model, **merged}, str(file))
    for name, value in {"model": model, **settings}.items():
        inner = merged.get(name)
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            value = {**inner, **value}
        merged[name] = value
    for assignment in assignments:
        _assign(merged, assignment)
    return Recipe._validate(merged, "--set")


def _assign(settings: dict[str, Any], assignment: str) -> None:
    name, separator, text = assignment.partition("=")
    if not separator:
        raise RecipeError(f"--set {assignment}: write it as NAME=VALUE, such as --set epochs=5")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {assignment}: the value cannot be read ({error})") from error
    *parents, last = name.strip().split(".")
    for parent in parents:
        inner = settings.get(parent)
        settings[parent] = dict(inner) if isinstance(inner, Mapping) else {}
        settings = settings[parent]
    # YAML reads 1e-3 as text, which pydantic converts to a number.
    settings[last] = value


def _describe(error: ValidationError) -> str:
    """Return the first of a recipe's errors in the user's words."""
    first = error.errors()[0]
    if not first["loc"]:  # concerns several settings together
        return str(first["ctx"]["error"])
    name = ".".join(str(part) for part in first["loc"])
    if new := recipe_format.new_name(name, first["input"]):
        return new
    if first["type"] == "extra_forbidden":
        known = ", ".join(Recipe.model_fields)
        if "." in name:
            inner = Recipe.model_fields[name.split(".")[0]].annotation
            known = ", ".join(getattr(inner, "model_fields", {})) or known
        return f"'{name}' is not a setting; the settings are {known}"
    return f"{name}: {first['msg']} (got {first['input']!r}); correct this setting"
