"""Catalogue of networks: every network that can be trained, by name."""

from collections.abc import Mapping

import torch

from pneumoscope.models import notebook
from pneumoscope.models.compact import compact
from pneumoscope.models.densenet import densenet121
from pneumoscope.models.efficientnet_lite import efficientnet_lite
from pneumoscope.models.efficientnet_lite_weights import VARIANTS, EfficientNetLiteSpec
from pneumoscope.models.hub import HubSpec
from pneumoscope.models.hub_network import hub_network
from pneumoscope.models.imported import GROUP, imported_spec
from pneumoscope.models.model_spec import ModelSpec, Structure
from pneumoscope.models.network import Network
from pneumoscope.models.vgg16 import Vgg16Spec
from pneumoscope.support.errors import RecipeError
from pneumoscope.support.plugins import Plugin, find_plugin, installed_plugins

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
        Vgg16Spec(
            "model_5",
            "frozen VGG16, one dense layer with L2",
            notebook.model_5,
            penalised=("dense_1",),
            settings=_SCHEDULE,
        ),
        Vgg16Spec(
            "model_6",
            "frozen VGG16, batch normalisation, two dense layers with L2",
            notebook.model_6,
            penalised=("dense_1", "dense_2"),
            settings=_SCHEDULE,
        ),
        Vgg16Spec(
            "model_7",
            "frozen VGG16, batch normalisation, three dense layers, all with L2",
            notebook.model_7,
            penalised=("dense_1", "dense_2", "dense_3", "output"),
            settings=_SCHEDULE,
        ),
    )
}
"""The notebook's seven networks, which ``pneumoscope experiment`` compares."""

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
        "border_blank": 0.16,
        "random_erasing": 2,
    },
}

_FINE_TUNED: Mapping[str, object] = {
    **_FROM_SCRATCH,
    "epochs": 12,
    "learning_rate": 1e-3,
    "head_epochs": 3,
    "pretrained_rate": 0.1,
    "weight_average": 0.0,
}

_OTHER_MODELS: tuple[ModelSpec, ...] = (
    ModelSpec(
        "compact",
        "small residual network with an exact heat map",
        compact,
        settings={"image_size": 192, **_FROM_SCRATCH},
    ),
    ModelSpec(
        "densenet121",
        "DenseNet-121 of MONAI, from random weights, with an exact heat map",
        densenet121,
        settings={"image_size": 224, **_FROM_SCRATCH},
    ),
    HubSpec(
        "hub",
        "any image network of the Hugging Face hub: --weights OWNER/NAME",
        hub_network,
        settings={"image_size": 224, **_FINE_TUNED},
    ),
    *(
        EfficientNetLiteSpec(
            variant.model,
            f"{variant.name} with ImageNet weights and an exact heat map",
            efficientnet_lite,
            settings={"image_size": 192, **_FINE_TUNED, "epochs": 8, "head_epochs": 1},
            variant=variant,
        )
        for variant in VARIANTS
    ),
)

MODELS: dict[str, ModelSpec] = NOTEBOOK_MODELS | {spec.name: spec for spec in _OTHER_MODELS}
"""All networks of this package."""

_IMPORTED: Mapping[str, object] = {"image_size": 192, **_FROM_SCRATCH}
"""Settings of networks of other packages: those of `compact`, which starts at random too."""


def find_model(name: str) -> ModelSpec:
    """Return the catalogue entry of a name, or of MODULE:FUNCTION of another package.

    Raises
    ------
    PluginError
        If the function cannot be imported.
    RecipeError
        If there is no network of that name.

    Examples
    --------
    >>> find_model("model_1").settings
    {'epochs': 3}
    """
    if name in MODELS:
        return MODELS[name]
    plugin = find_plugin(GROUP, name)
    if plugin is None:
        names = [*MODELS, *(installed.name for installed in installed_models())]
        raise RecipeError(
            f"model: '{name}' is not a model; choose one of {', '.join(names)}, or a function of "
            "another package, such as my_package.my_module:build"
        )
    return imported_spec(plugin, _IMPORTED)


def installed_models() -> tuple[Plugin, ...]:
    """List the networks that other packages offer by a name that no network here has."""
    return tuple(plugin for plugin in installed_plugins(GROUP) if plugin.name not in MODELS)


def build_network(
    spec: ModelSpec, image_size: int, seed: int, structure: Structure | None = None
) -> Network:
    """Build a network with random weights in the layers that have no pretrained ones.

    Pretrained layers hold arbitrary weights until `PretrainedWeights.fill` sets them.

    Parameters
    ----------
    spec
        Catalogue entry of the network.
    image_size
        Side of the square images, in pixels.
    seed
        Random seed of the initial weights.
    structure
        Description of the layers where ``spec.needs_structure`` is set.

    Examples
    --------
    >>> network = build_network(MODELS["compact"], image_size=64, seed=0)
    >>> network(torch.rand(2, 1, 64, 64)).shape
    torch.Size([2])
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)  # for functions that draw the weights themselves
        network = spec.build(image_size, structure)
    spec.initialise(network, seed)
    return network


def describe_network(
    spec: ModelSpec, image_size: int | None = None, structure: Structure | None = None
) -> Network:
    """Build a network on the ``meta`` device: shapes without memory, weights or downloads.

    Examples
    --------
    >>> describe_network(MODELS["model_1"]).head.output.weight.shape
    torch.Size([1, 355216])
    """
    with torch.device("meta"):
        return spec.build(image_size or spec.image_size, structure).to("meta")
