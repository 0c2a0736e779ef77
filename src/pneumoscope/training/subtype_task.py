"""A second task for training alone: bacterial or viral, which only the lungs can tell."""

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
    """A layer beside the network's last one that tells viral from bacterial pneumonia.

    It learns together with the network, which so learns from both labels, and is then left away.

    Parameters
    ----------
    network
        Without frozen layers.

    References
    ----------
    Caruana, "Multitask Learning", Machine Learning 28:41-75, 1997.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        *before, last = network.head
        assert isinstance(last, nn.Linear)
        self._before = tuple(before)  # not parts of this module: the network has them already
        self._last = (last,)
        self.layer = DenseToOne(last.in_features, 1)
        for value in self.layer.parameters():
            nn.init.zeros_(value)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits of pneumonia, and of its being viral, each shape (n,).

        Parameters
        ----------
        images
            Grey, shape (n, 1, height, width).
        """
        features = images
        for layer in self._before:
            features = layer(features)
        return self._last[0](features).squeeze(1), self.layer(features).squeeze(1)

    @staticmethod
    def loss(logits: Tensor, viral: Tensor, ill: Tensor) -> Tensor:
        """Return the mean cross-entropy over what is ill.

        Parameters
        ----------
        logits
            Of being viral, shape (n,).
        viral
            1 viral, 0 bacterial, 0.5 not known, shape (n,).
        ill
            Share of each image that has pneumonia, shape (n,).

        Examples
        --------
        >>> viral, ill = torch.tensor([1.0, 0.0, 0.5]), torch.tensor([1.0, 1.0, 0.0])
        >>> round(SubtypeTask.loss(torch.zeros(3), viral, ill).item(), 4)  # a coin: log 2
        0.6931
        """
        each = functional.binary_cross_entropy_with_logits(logits, viral, reduction="none")
        return (each * ill).sum() / ill.sum().clamp(min=1)


def viral_shares(entries: Sequence[Entry]) -> Tensor:
    """Return 1 for each viral image, 0 for a bacterial one and 0.5 where it is not known.

    Raises
    ------
    DatasetError
        If no image's subtype is known.

    Examples
    --------
    >>> from pneumoscope.dataset import Label
    >>> ill = [Entry("a", Label.PNEUMONIA, subtype=kind) for kind in ("virus", "bacteria", None)]
    >>> viral_shares(ill)
    tensor([1.0000, 0.0000, 0.5000])
    """
    shares = {VIRUS: 1.0, BACTERIA: 0.0}
    if not any(entry.subtype in shares for entry in entries):
        raise DatasetError(
            "subtype_weight needs images whose file names say virus or bacteria, and none does; "
            "set subtype_weight to 0"
        )
    return torch.tensor([shares.get(entry.subtype or "", 0.5) for entry in entries])
