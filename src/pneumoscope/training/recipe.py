"""The recipe: every setting of a training, in YAML and out."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pneumoscope.models import ModelSpec, Precision, fastest_precision, find_model
from pneumoscope.radiograph import Resampling
from pneumoscope.support.errors import RecipeError
from pneumoscope.support.files import write_text


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EarlyStopping(_Settings):
    """Stop when the validation loss has not improved for ``patience`` epochs (Keras' rule)."""

    patience: int = Field(3, ge=1)


class ReduceOnPlateau(_Settings):
    """Multiply the learning rate by ``factor`` on a plateau of validation loss (Keras' rule)."""

    factor: float = Field(0.5, gt=0, lt=1)
    patience: int = Field(1, ge=1)
    min_delta: float = Field(1e-4, ge=0)


class OneCycle(_Settings):
    """Let the learning rate rise for a part of the training, then fall to zero as a cosine does."""

    rise: float = Field(0.2, gt=0, lt=1, description="fraction of all batches")


class Augmentation(_Settings):
    """Random changes of each training image; all off is what the notebook does."""

    rotation: float = Field(0.0, ge=0, le=180, description="degrees, to either side")
    zoom: float = Field(0.0, ge=0, lt=1, description="fraction, in or out")
    shift: float = Field(0.0, ge=0, lt=1, description="fraction of the side, each way")
    flip: bool = Field(False, description="mirror left and right in half the images")
    crop: float = Field(0.0, ge=0, lt=1, description="fraction of each side cut away, anywhere")
    stretch: float = Field(0.0, ge=0, lt=1, description="of width against height: e to its power")
    tones: float = Field(
        0.0, ge=0, le=1, description="share of the way to another image's grey values, at most"
    )
    gamma: float = Field(0.0, ge=0, lt=3, description="exponent of grey values: e to its power")
    contrast: float = Field(0.0, ge=0, lt=1, description="fraction, more or less")
    sharpness: float = Field(0.0, ge=0, le=1, description="share of fine detail, less or more")
    noise: float = Field(0.0, ge=0, lt=1, description="standard deviation of grey values, at most")
    border: float = Field(
        0.0, ge=0, lt=0.5, description="fraction of the side made one grey, in half the images"
    )
    frame: float = Field(
        0.0, ge=0, lt=0.5, description="fraction of the side taken from another, in half the images"
    )
    erase: int = Field(0, ge=0, le=16, description="rectangles made one grey")
    mix: float = Field(
        0.0, ge=0, le=0.5, description="share of another image blended in, with its label, at most"
    )

    @property
    def active(self) -> bool:
        """Whether any change is on."""
        return any(self.model_dump().values())

    @property
    def moves(self) -> bool:
        """Whether any change moves pixels."""
        return any((self.rotation, self.zoom, self.shift, self.flip, self.crop, self.stretch))


class ClassBalance(StrEnum):
    """What is done about one class having more images than the other, in all or of a machine."""

    NONE = "none"
    WEIGHTED_LOSS = "weighted_loss"
    SAMPLER = "sampler"
    MACHINES = "machines"


class Recipe(_Settings):
    """Every setting of a training; the defaults are Keras' and the notebook's, but for precision.

    Examples
    --------
    >>> recipe = Recipe(model="model_2", seed=7)
    >>> Recipe.model_validate(yaml.safe_load(recipe.to_yaml())) == recipe
    True
    """

    model: str
    seed: int = Field(0, ge=0, description="of initial weights, order of images, dropout")
    precision: Precision = Field(
        default_factory=fastest_precision,
        description="of convolutions and dense layers: float32, as in the notebook, or bfloat16; "
        "the faster on the machine where the recipe is made",
    )
    image_size: int = Field(150, ge=64, le=1024, description="side of the square, pixels")
    resampling: Resampling = Field(
        Resampling.NEAREST, description="to that size: nearest, as in the notebook, or bilinear"
    )
    epochs: int = Field(10, ge=1, le=10_000, description="at most")
    batch_size: int = Field(32, ge=2, le=4096)
    learning_rate: float = Field(1e-3, gt=0, description="Adam's; of one_cycle the highest")
    adam_epsilon: float = Field(1e-7, gt=0, description="Keras' default, not PyTorch's")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's, of kernels")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of a label that is even")
    subtype_weight: float = Field(
        0.0, ge=0, description="of telling viral from bacterial, a second task while training"
    )
    weight_average: float = Field(
        0.0, ge=0, lt=1, description="share of the averaged weights that each batch keeps"
    )
    l2: float = Field(
        0.01,
        ge=0,
        description="factor of models 5 to 7; cut off in the notebook's text, so this is a choice: "
        "the default of Keras' l2()",
    )
    weights: str = Field(
        "imagenet",
        description="of VGG16: imagenet, none, or a path; of hub: a name there, or a folder",
    )
    start: str | None = Field(
        None, description="a finished Run of the same model, whose weights are begun with"
    )
    head_epochs: int = Field(0, ge=0, description="first epochs, without pretrained layers of hub")
    pretrained_rate: float = Field(1.0, gt=0, le=1, description="their share of the learning rate")
    early_stopping: EarlyStopping | None = EarlyStopping()
    reduce_on_plateau: ReduceOnPlateau | None = None
    one_cycle: OneCycle | None = None
    augmentation: Augmentation = Augmentation()
    class_balance: ClassBalance = ClassBalance.NONE
    threshold: float = Field(0.5, ge=0, le=1, description="called PNEUMONIA from here on")

    @field_validator("model")
    @classmethod
    def _known(cls, name: str) -> str:
        return find_model(name).name

    @model_validator(mode="after")
    def _accepted_by_the_network(self) -> Self:
        if reason := self.spec.refusal(self):
            raise ValueError(reason)
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
    def feature_shape(self) -> tuple[int, int, int] | None:
        """Shape of the frozen layers' output where it is computed once for all epochs, else None.

        Augmented images differ in every epoch, so frozen layers then see them anew each time.
        """
        return None if self.augmentation.active else self.spec.feature_shape(self.image_size)

    def to_yaml(self) -> str:
        """Return the recipe as YAML."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)

    def write(self, path: Path) -> None:
        """Write the recipe as YAML, atomically."""
        write_text(path, self.to_yaml())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a recipe.

        Raises
        ------
        RecipeError
            If the file is not YAML, or a setting is unknown or out of range.
        """
        return cls._validate(_read_yaml(path), str(path))

    @classmethod
    def _validate(cls, settings: Mapping[str, Any], where: str) -> Self:
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            raise RecipeError(f"{where}: {_explain(error)}") from error


def make_recipe(
    model: str, file: Path | None = None, assignments: Sequence[str] = (), **settings: object
) -> Recipe:
    """Compose a recipe: the notebook's for the model, then a file's settings, then single ones.

    Parameters
    ----------
    model
        Name of the model.
    file
        YAML with any of the recipe's settings.
    assignments
        Such as ``"learning_rate=0.0005"`` or ``"augmentation.rotation=10"``, as on the command
        line; the last wins.
    **settings
        Further settings by name, before ``assignments``.

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
        merged |= _read_yaml(file)
        if merged.setdefault("model", model) != model:
            raise RecipeError(
                f"{file}: the recipe is for {merged['model']}, not {model}; change its line "
                f"'model' or ask for --model {merged['model']}"
            )
        Recipe._validate({"model": model, **merged}, str(file))
    merged |= {"model": model, **settings}
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
    # YAML reads 1e-3 as text; pydantic makes the number of it.
    settings[last] = value


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"{path}: cannot be read as YAML ({error}); correct the file") from error
    if not isinstance(settings, dict):
        raise RecipeError(f"{path}: not a recipe; write lines such as 'epochs: 5'")
    return settings


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    if not first["loc"]:  # of several settings together
        return str(first["ctx"]["error"])
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = ", ".join(Recipe.model_fields)
        if "." in name:
            inner = Recipe.model_fields[name.split(".")[0]].annotation
            known = ", ".join(getattr(inner, "model_fields", {})) or known
        return f"'{name}' is not a setting; the settings are {known}"
    return f"{name}: {first['msg']} (got {first['input']!r}); correct this setting"
