"""Every model by name: what it is, how it is built and how the notebook trained it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from pneumoscope.models import notebook
from pneumoscope.models.compact import compact
from pneumoscope.models.densenet import densenet121
from pneumoscope.models.hub import FEATURES, Structure, hub_network
from pneumoscope.models.layers import initialise
from pneumoscope.models.network import Network
from pneumoscope.models.vgg16 import vgg16_layers
from pneumoscope.support.errors import RecipeError, WeightsError

IMAGE_SIZE = 150
"""Side of the square that the notebook's networks see, in pixels."""


@dataclass(frozen=True)
class ModelSpec:
    """A model by name.

    Parameters
    ----------
    name
        As on the command line.
    description
        One line for people.
    head
        Builds the layers that learn, for an image size; None of ``on_hub``.
    on_vgg16
        Whether a frozen VGG16 comes before the head.
    on_hub
        Whether the head is a pretrained network, built from its structure.
    penalised
        Layers of the head whose kernels carry the L2 penalty.
    settings
        In which its recipe differs from `Recipe`'s defaults.
    """

    name: str
    description: str
    head: Callable[[int], nn.Sequential] | None
    on_vgg16: bool = False
    on_hub: bool = False
    penalised: tuple[str, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)

    def build(self, image_size: int, structure: Structure | None) -> nn.Sequential:
        """Build the layers that learn."""
        if self.head is not None:
            return self.head(image_size)
        if structure is None:
            raise WeightsError(
                f"{self.name}: what its network is built from is missing (structure.json of a Run, "
                "'structure' of an exported network); restore it from a copy, or train again"
            )
        return hub_network(structure)

    @property
    def image_size(self) -> int:
        """Side of the square that it sees, in pixels, unless the recipe says otherwise."""
        size = self.settings.get("image_size", IMAGE_SIZE)
        assert isinstance(size, int)
        return size


_SCHEDULE: Mapping[str, object] = {"reduce_on_plateau": {}}

NOTEBOOK_MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec("model_1", "one convolution", notebook.model_1, settings={"epochs": 3}),
        ModelSpec("model_2", "two convolutions, two dense layers", notebook.model_2),
        ModelSpec("model_3", "three convolutions with batch normalisation", notebook.model_3),
        ModelSpec(
            "model_4",
            "four convolutions with batch normalisation, learning-rate schedule",
            notebook.model_4,
            settings=_SCHEDULE,
        ),
        ModelSpec(
            "model_5",
            "frozen VGG16, one dense layer with L2",
            notebook.model_5,
            on_vgg16=True,
            penalised=("dense_1",),
            settings=_SCHEDULE,
        ),
        ModelSpec(
            "model_6",
            "frozen VGG16, batch normalisation, two dense layers with L2",
            notebook.model_6,
            on_vgg16=True,
            penalised=("dense_1", "dense_2"),
            settings=_SCHEDULE,
        ),
        ModelSpec(
            "model_7",
            "frozen VGG16, batch normalisation, three dense layers, all with L2",
            notebook.model_7,
            on_vgg16=True,
            penalised=("dense_1", "dense_2", "dense_3", "output"),
            settings=_SCHEDULE,
        ),
    )
}
"""The notebook's seven, which an experiment compares."""

_FROM_SCRATCH: Mapping[str, object] = {
    "resampling": "bilinear",
    "epochs": 30,
    "learning_rate": 2e-3,
    "one_cycle": {},
    "early_stopping": None,
    "weight_decay": 0.05,
    "label_smoothing": 0.1,
    "weight_average": 0.998,
    "augmentation": {
        "rotation": 10,
        "zoom": 0.05,
        "crop": 0.45,
        "flip": True,
        "gamma": 0.4,
        "contrast": 0.3,
        "border": 0.16,
        "erase": 2,
    },
}

COMPACT = ModelSpec(
    "compact",
    "small residual network with an exact heat map",
    compact,
    settings={"image_size": 192, **_FROM_SCRATCH},
)

DENSENET121 = ModelSpec(
    "densenet121",
    "DenseNet-121 of MONAI, from random weights, with an exact heat map",
    densenet121,
    settings={"image_size": 224, **_FROM_SCRATCH},
)

HUB = ModelSpec(
    "hub",
    "any image network of the Hugging Face hub: --weights OWNER/NAME",
    head=None,
    on_hub=True,
    settings={
        "image_size": 224,
        **_FROM_SCRATCH,
        "epochs": 12,
        "learning_rate": 1e-3,
        "head_epochs": 3,
        "pretrained_rate": 0.1,
        "weight_average": 0.0,
    },
)

MODELS: dict[str, ModelSpec] = NOTEBOOK_MODELS | {
    spec.name: spec for spec in (COMPACT, DENSENET121, HUB)
}
"""All that can be trained."""


def find_model(name: str) -> ModelSpec:
    """Return the model of a name.

    Raises
    ------
    RecipeError
        If there is none.

    Examples
    --------
    >>> find_model("model_1").settings
    {'epochs': 3}
    """
    if name not in MODELS:
        raise RecipeError(f"model: '{name}' is not a model; choose one of {', '.join(MODELS)}")
    return MODELS[name]


def build_network(
    spec: ModelSpec,
    image_size: int,
    seed: int,
    backbone: nn.Sequential | None = None,
    structure: Structure | None = None,
) -> Network:
    """Build a network with fresh weights in its head.

    Parameters
    ----------
    spec
        Which model.
    image_size
        Side of the square images.
    seed
        Of the initial weights.
    backbone
        The loaded VGG16 (see `load_vgg16`) of a model that stands on it.
    structure
        Of a model of the hub; its pretrained layers are still to be filled.
    """
    network = _compose(spec, image_size, backbone, structure)
    for layer in network.fresh:
        initialise(layer, seed)
    return network


def describe_network(
    spec: ModelSpec, image_size: int | None = None, structure: Structure | None = None
) -> Network:
    """Build a network of shapes alone: no memory, no weights, nothing to download.

    Examples
    --------
    >>> describe_network(MODELS["model_1"]).head.output.weight.shape
    torch.Size([1, 355216])
    """
    with torch.device("meta"):
        backbone = vgg16_layers() if spec.on_vgg16 else None
        return _compose(spec, image_size or spec.image_size, backbone, structure)


def _compose(
    spec: ModelSpec,
    image_size: int,
    backbone: nn.Sequential | None,
    structure: Structure | None,
) -> Network:
    head = spec.build(image_size, structure)
    return Network(head, backbone, spec.penalised, FEATURES if spec.on_hub else None)
