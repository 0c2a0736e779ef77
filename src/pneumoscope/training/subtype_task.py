"""Auxiliary task during training: viral against bacterial pneumonia (multi-task learning)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pneumoscope.dataset import Entry
from pneumoscope.models import Network
from pneumoscope.models.layers import DenseToOne
from pneumoscope.support.errors import DatasetError

VIRUS = "virus"
BACTERIA = "bacteria"


class SubtypeTask(nn.Module):
    """Second output layer that tells viral from bacterial pneumonia.

    It is trained together with a network without frozen layers, so the features are learned from
    both labels, and is not part of the trained network.

    References
    ----------
    Caruana, "Multitask Learning", Machine Learning 28:41-75, 1997.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        *hidden, output = network.head
        assert isinstance(output, nn.Linear)
        # Tuples, so that the network's layers are not registered as parts of this module.
        self._hidden = tuple(hidden)
        self._output = (output,)
        self.layer = DenseToOne(output.in_features, 1)
        for parameter in self.layer.parameters():
            nn.init.zeros_(parameter)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (n,) of pneumonia and of a viral cause, of images (n, 1, height, width)."""
        features = images
        for layer in self._hidden:
            features = layer(features)
        return self._output[0](features).squeeze(1), self.layer(features).squeeze(1)

    @staticmethod
    def loss(logits: Tensor, viral: Tensor, ill: Tensor) -> Tensor:
        """Return the mean cross-entropy over the images with pneumonia; all shapes are (n,).

        Viral is 1, bacterial 0, unknown 0.5. A label is a share in [0, 1] where images are mixed.

        Examples
        --------
        >>> viral, ill = torch.tensor([1.0, 0.0, 0.5]), torch.tensor([1.0, 1.0, 0.0])
        >>> round(SubtypeTask.loss(torch.zeros(3), viral, ill).item(), 4)  # probability 0.5: log 2
        0.6931
        """
        losses = functional.binary_cross_entropy_with_logits(logits, viral, reduction="none")
        return (losses * ill).sum() / ill.sum().clamp(min=1)


def viral_targets(entries: Sequence[Entry]) -> Tensor:
    """Return 1 for each viral image, 0 for each bacterial one, and 0.5 where unknown.

    Raises
    ------
    DatasetError
        If no image's subtype is known.

    Examples
    --------
    >>> from pneumoscope.dataset import Label
    >>> ill = [Entry("a", Label.PNEUMONIA, subtype=kind) for kind in ("virus", "bacteria", None)]
    >>> viral_targets(ill)
    tensor([1.0000, 0.0000, 0.5000])
    """
    targets = {VIRUS: 1.0, BACTERIA: 0.0}
    if not any(entry.subtype in targets for entry in entries):
        raise DatasetError(
            "subtype_weight needs images whose file names say virus or bacteria, and none does; "
            "set subtype_weight to 0"
        )
    return torch.tensor([targets.get(entry.subtype or "", 0.5) for entry in entries])
