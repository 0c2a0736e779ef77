"""Catalogue entry of a network: its layers, its pretrained weights and its default settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor, nn

from pneumoscope.models.deployed import DeployedNetwork
from pneumoscope.models.layers import initialise
from pneumoscope.models.network import Network
from pneumoscope.support.plugins import PluginSource

IMAGE_SIZE = 150
"""Side of the square images of the notebook's networks, in pixels."""

Structure = Mapping[str, Any]
"""Description from which a network's layers are built, as it is kept in JSON (see `HubSpec`)."""


@dataclass(frozen=True)
class PretrainedWeights:
    """Weights that were trained elsewhere, and their origin.

    Parameters
    ----------
    state
        Tensors by name, as in the state dict of ``part``.
    origin
        Source of the weights in words, for reports.
    digest
        SHA-256 of the weights (see `weights_digest`).
    part
        Name of the submodule of `Network` that the weights belong to; empty for the whole network.
    structure
        Description from which the layers are built; None where the catalogue alone defines them.
    """

    state: Mapping[str, Tensor]
    origin: str
    digest: str
    part: str = ""
    structure: Structure | None = None

    def fill(self, network: Network) -> None:
        """Copy the weights into a network; a name or a shape that differs is a RuntimeError."""
        network.get_submodule(self.part).load_state_dict(self.state)


@dataclass(frozen=True)
class ModelSpec:
    """Catalogue entry of a network whose weights all start at random.

    A kind of network with pretrained layers is a subclass in a module of its own: it sets
    `pretrained` and overrides the methods whose answers differ. No other module asks which kind a
    network is of.

    Parameters
    ----------
    name
        Name on the command line.
    description
        Description in one line.
    head
        Function that builds the layers that are trained, from the image size.
    penalised
        Names of the head's layers whose kernels carry the L2 penalty.
    settings
        Values that differ from the defaults of `Recipe`.

    Examples
    --------
    >>> from pneumoscope.models import MODELS
    >>> MODELS["model_7"].pretrained, MODELS["model_7"].feature_shape(image_size=150)
    ('VGG16', (512, 4, 4))
    >>> MODELS["compact"].pretrained is None, MODELS["compact"].image_size
    (True, 192)
    """

    pretrained: ClassVar[str | None] = None
    """Name of the pretrained layers; None where every weight starts at random."""

    needs_structure: ClassVar[bool] = False
    """Whether the layers are defined by the network that the setting ``weights`` names."""

    name: str
    description: str
    head: Callable[[Any], nn.Sequential]
    penalised: tuple[str, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def image_size(self) -> int:
        """Side of the square images in pixels, unless the recipe sets another."""
        size = self.settings.get("image_size", IMAGE_SIZE)
        assert isinstance(size, int)
        return size

    @property
    def source(self) -> PluginSource | None:
        """Origin of a network of another package; None for the networks of this one."""
        return None

    def build(self, image_size: int, structure: Structure | None = None) -> Network:
        """Build the network with arbitrary weights.

        Parameters
        ----------
        image_size
            Side of the square images, in pixels.
        structure
            Description of the layers where `needs_structure` is set (see `load_structure`).

        Raises
        ------
        WeightsError
            If a structure is needed and missing, or cannot be built.
        """
        return Network(self.head(image_size), penalised=self.penalised)

    def initialise(self, network: Network, seed: int) -> None:
        """Draw the weights of the layers without pretrained ones, in place."""
        for layer in network.fresh:
            initialise(layer, seed)

    def deploy(self, network: Network, image_size: int) -> nn.Module:
        """Return a trained network from pixels to logit, heat map and features, for export."""
        return DeployedNetwork(network)

    def load_weights(self, weights: str, seed: int) -> PretrainedWeights | None:
        """Load the weights of the pretrained layers; None where there are no such layers.

        Parameters
        ----------
        weights
            The recipe's setting of this name: a published set of weights, or a path.
        seed
            Random seed, for weights that are drawn instead.

        Raises
        ------
        WeightsError
            If the weights are missing or damaged and cannot be downloaded.
        """
        return None

    def has_licensed_weights(self, weights: str) -> bool:
        """Return whether a published set of weights is under a licence that its publisher chose."""
        return False

    def load_structure(self, weights: str) -> Structure | None:
        """Load the description of the layers without their weights; None where none is needed.

        Raises
        ------
        WeightsError
            If it is missing or damaged and cannot be downloaded.
        """
        return None

    def feature_shape(self, image_size: int) -> tuple[int, int, int] | None:
        """Return (channels, height, width) of the frozen layers' output; None without such layers.

        Frozen layers give the same features for an image in every epoch, so the features are
        computed once and cached.
        """
        return None

    def refusal(self, *, start: str | None, subtype_weight: float) -> str | None:
        """Return why the network cannot be trained with settings of a recipe; None if it can."""
        if start is not None and self.feature_shape(_ANY_SIZE) is not None:
            return f"start: {self.name} has frozen layers of its own; leave start out"
        return None


_ANY_SIZE = 224
"""Size of images that every network takes; whether layers are frozen does not depend on it."""
