"""Networks of other packages: catalogue entries of functions that build one."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pneumoscope.models.model_spec import ModelSpec, Structure
from pneumoscope.models.network import Network
from pneumoscope.models.traced_network import trace_network
from pneumoscope.support.errors import PluginError
from pneumoscope.support.plugins import Plugin, PluginSource

GROUP = "pneumoscope.models"
"""Group of entry points by which installed packages offer networks."""

_PROBED_IMAGES = 3


@dataclass(frozen=True, kw_only=True)
class ImportedSpec(ModelSpec):
    """Catalogue entry of a network that a function of another package builds.

    Its ``head`` is that function: it takes the side of the images in pixels and returns a module
    from grey images, float32, shape (n, 1, side, side), range [0, 1], to logits (n, 1). The module
    keeps the weights that the function gave it; all of them are trained.
    """

    plugin: Plugin

    @property
    def source(self) -> PluginSource:
        """Origin of the function that builds the network."""
        return self.plugin.source()

    def build(self, image_size: int, structure: Structure | None = None) -> Network:
        """Build the network, and check what it returns for images of the size.

        Raises
        ------
        PluginError
            If the function fails or returns no module, or the module gives no logits (n, 1).
        """
        # On the processor even where shapes alone are asked for: code that computes with numbers
        # while it builds, such as rates of dropout by depth, has none on the device "meta".
        with torch.device("cpu"):
            module = self._call(image_size)
        self._require_logits(module, image_size)
        if type(module) is not nn.Sequential:
            module = nn.Sequential(OrderedDict(network=module))
        return Network(module)

    def initialise(self, network: Network, seed: int) -> None:
        """Leave the weights as the function drew or loaded them."""

    def deploy(self, network: Network, image_size: int) -> nn.Module:
        """Return the network from pixels to logit, heat map and features; see `trace_network`."""
        return trace_network(network, image_size)

    def refusal(self, *, start: str | None, subtype_weight: float) -> str | None:
        """Return why the network cannot be trained with settings of a recipe; None if it can."""
        if subtype_weight:
            return (
                f"subtype_weight needs the last layer of a network of the catalogue, and "
                f"{self.name} is of another package; set it to 0"
            )
        return super().refusal(start=start, subtype_weight=subtype_weight)

    def _call(self, image_size: int) -> nn.Module:
        function = f"{self.plugin.entry.value}({image_size})"
        try:
            module: object = self.head(image_size)
        except Exception as error:
            raise PluginError(
                f"{self.name}: {function} failed ({type(error).__name__}: {error}); it is called "
                "with the side of the images in pixels, and returns a torch.nn.Module"
            ) from error
        if not isinstance(module, nn.Module):
            raise PluginError(
                f"{self.name}: {function} returned a {type(module).__name__}; it must return a "
                "torch.nn.Module"
            )
        if not any(parameter.requires_grad for parameter in module.parameters()):
            raise PluginError(f"{self.name}: the module of {function} has no parameters to train")
        return module

    def _require_logits(self, module: nn.Module, image_size: int) -> None:
        """Run the module on the shapes of a few images, without memory for its activations."""
        shape = (_PROBED_IMAGES, 1, image_size, image_size)
        images = torch.empty(shape, device="meta")
        state = {
            name: value.detach().to("meta")
            for name, value in [*module.named_parameters(), *module.named_buffers()]
        }
        module.eval()
        try:
            with torch.no_grad(), torch.device("meta"):
                logits: Any = torch.func.functional_call(module, state, (images,))
        except Exception as error:
            raise PluginError(
                f"{self.name}: its network fails on images of shape {shape} "
                f"({type(error).__name__}: {error}); it must take grey images (n, 1, side, side), "
                "and keep its tensors as parameters or buffers"
            ) from error
        module.train()
        if not isinstance(logits, Tensor) or logits.shape != (_PROBED_IMAGES, 1):
            given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise PluginError(
                f"{self.name}: for {_PROBED_IMAGES} images its network returns {given}; it must "
                f"return one logit an image, shape ({_PROBED_IMAGES}, 1)"
            )


def imported_spec(plugin: Plugin, settings: Mapping[str, object]) -> ImportedSpec:
    """Return the catalogue entry of a plugin, with the settings of its recipe.

    Raises
    ------
    PluginError
        If the function cannot be imported.
    """
    function = plugin.load()
    lines = (function.__doc__ or "").strip().splitlines()
    description = lines[0].rstrip(".") if lines else f"built by {plugin.entry.value}"
    return ImportedSpec(plugin.name, description, function, settings=settings, plugin=plugin)
