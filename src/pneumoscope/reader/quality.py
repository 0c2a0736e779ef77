"""The quality gate: whether an image is a chest radiograph that the network can be shown."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats: TypeAlias = NDArray[np.float32]

SMALLEST_SIDE = 96
"""Pixels; the training images have 224, and much smaller ones show no lung markings."""

COLOURED, COLOURFUL = 0.01, 0.04
"""Mean difference between colour channels that is flagged, and that is rejected."""

BLANK = 0.02
"""Standard deviation of grey values beneath which there is nothing to see."""

TURNED = 1.25
"""How many times more usual an image must look turned or inverted to be taken for that."""

NO_CHEST = 1.3
"""How many times the usual limit of unlikeness an image is rejected at."""

_SIDE = 32
_AXES = 60
_QUANTILES = (0.005, 0.995)
_SLACK = 1.1
"""The limits lie a tenth beyond what was seen on validation images."""


class Severity(StrEnum):
    """Whether a radiograph is read all the same."""

    REJECT = "reject"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class QualityFinding:
    """Something that speaks against reading an image.

    Parameters
    ----------
    code
        Stable, for programs.
    severity
        See `Severity`.
    message
        What was seen, and what to do, in words.
    """

    code: str
    severity: Severity
    message: str


@dataclass(frozen=True, eq=False)
class QualityGate:
    """What upright training radiographs look like at 32 x 32 pixels.

    They are described by probabilistic principal component analysis: a mean, the axes along which
    they differ most, and noise. How unlike them an image is, is Mahalanobis' distance in that
    model by the root of the number of pixels. The same distance of the image turned or inverted
    tells that it should be.

    Parameters
    ----------
    mean
        float32, shape (1024,), of thumbnails of mean 0 and standard deviation 1.
    axes, variances
        float32, shapes (axes, 1024) and (axes,).
    noise
        Variance along all other directions.
    usual
        Largest unlikeness that is not flagged.
    darkest, brightest
        Mean grey values, within [0, 1], between which an exposure is not flagged.
    faintest
        Standard deviation of grey values from which a contrast is not flagged.

    References
    ----------
    Tipping and Bishop, "Probabilistic Principal Component Analysis", J R Stat Soc B 61:611-622,
    1999.
    """

    mean: Floats
    axes: Floats
    variances: Floats
    noise: float
    usual: float
    darkest: float
    brightest: float
    faintest: float

    def assess(self, pixels: Floats, colourfulness: float = 0.0) -> tuple[QualityFinding, ...]:
        """Return what speaks against reading an image; nothing if all is well.

        Parameters
        ----------
        pixels
            float32, shape (height, width), range [0, 1], 0 = black.
        colourfulness
            Mean absolute difference between colour channels, range [0, 1].
        """
        return tuple(self._findings(pixels, colourfulness))

    def unlikeness(self, thumbnail: Floats) -> float:
        """Return how unlike the training radiographs a thumbnail is; about 1 for one of them."""
        centred = thumbnail - self.mean
        along = self.axes @ centred
        beside = float(centred @ centred - along @ along)
        square = float((along**2 / self.variances).sum()) + max(0.0, beside) / self.noise
        return float(np.sqrt(square / centred.size))

    def to_bytes(self) -> bytes:
        """Return the gate as an ``.npz`` file."""
        file = io.BytesIO()
        np.savez(file, **{field.name: getattr(self, field.name) for field in fields(self)})
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "QualityGate":
        """Read what `to_bytes` gave."""
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return cls(
                arrays["mean"],
                arrays["axes"],
                arrays["variances"],
                *(float(arrays[field.name]) for field in fields(cls)[3:]),
            )

    def _findings(self, pixels: Floats, colourfulness: float) -> Iterator[QualityFinding]:
        height, width = pixels.shape
        if min(height, width) < SMALLEST_SIDE:
            yield _reject("too_small", f"only {width} x {height} pixels; send the original image")
            return
        grey = np.asarray(Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BOX))
        if grey.std() < BLANK:
            yield _reject("blank", "nothing to see: the image is nearly of one grey")
            return
        if colourfulness > COLOURFUL:
            yield _reject("colour", "a colour picture, not a radiograph")
            return
        if colourfulness > COLOURED:
            yield _flag(
                "coloured", "some colour in the image: a marking, or a photographed screen?"
            )
        yield from self._shape_findings(_standardised(grey))
        yield from self._exposure_findings(grey)

    def _shape_findings(self, thumbnail: Floats) -> Iterator[QualityFinding]:
        upright = self.unlikeness(thumbnail)
        square = thumbnail.reshape(_SIDE, _SIDE)
        others = {
            name: self.unlikeness(np.ascontiguousarray(change(square)).ravel())
            for name, (change, _) in _CHANGES.items()
        }
        best = min(others, key=others.__getitem__)
        if others[best] * TURNED < upright and others[best] < NO_CHEST * self.usual:
            yield _reject(best, _CHANGES[best][1])
        elif upright > NO_CHEST * self.usual:
            yield _reject(
                "no_chest", "does not look like a frontal chest radiograph; send one, uncropped"
            )
        elif upright > self.usual:
            yield _flag("unusual", "framed or exposed unlike the radiographs it was learned from")

    def _exposure_findings(self, grey: Floats) -> Iterator[QualityFinding]:
        if grey.mean() < self.darkest:
            yield _flag("dark", "very dark, overexposed or wrongly windowed")
        elif grey.mean() > self.brightest:
            yield _flag("bright", "very bright, underexposed or wrongly windowed")
        if grey.std() < self.faintest:
            yield _flag("faint", "very little contrast")


def fit_gate(train: NDArray[np.uint8], validation: NDArray[np.uint8]) -> QualityGate:
    """Describe upright radiographs, and set the limits by others of the same source.

    Parameters
    ----------
    train
        uint8, shape (n, size, size).
    validation
        The same, of patients who are not in ``train``.
    """
    thumbnails = _thumbnails(train)
    normal = np.stack([_standardised(one) for one in thumbnails]).astype(np.float64)
    mean = normal.mean(0)
    axes = min(_AXES, len(normal) - 2)
    variances, directions = np.linalg.eigh(np.cov(normal - mean, rowvar=False))
    noise = max(float(variances[:-axes].mean()), 1e-4)
    gate = QualityGate(
        mean=mean.astype(np.float32),
        axes=np.ascontiguousarray(directions[:, : -axes - 1 : -1].T).astype(np.float32),
        variances=np.maximum(variances[: -axes - 1 : -1], noise).astype(np.float32),
        noise=noise,
        usual=np.inf,
        darkest=0.0,
        brightest=1.0,
        faintest=0.0,
    )
    return _with_limits(gate, _thumbnails(validation))


def _with_limits(gate: QualityGate, thumbnails: list[Floats]) -> QualityGate:
    unlikeness = [gate.unlikeness(_standardised(one)) for one in thumbnails]
    low, high = _QUANTILES
    means = [one.mean() for one in thumbnails]
    contrasts = [one.std() for one in thumbnails]
    return QualityGate(
        gate.mean,
        gate.axes,
        gate.variances,
        gate.noise,
        usual=_SLACK * float(np.quantile(unlikeness, high)),
        darkest=float(np.quantile(means, low)) / _SLACK,
        brightest=1 - (1 - float(np.quantile(means, high))) / _SLACK,
        faintest=float(np.quantile(contrasts, low)) / _SLACK,
    )


def _thumbnails(images: NDArray[np.uint8]) -> list[Floats]:
    return [
        np.asarray(
            Image.fromarray(image.astype(np.float32) / 255).resize(
                (_SIDE, _SIDE), Image.Resampling.BOX
            )
        )
        for image in images
    ]


def _standardised(grey: Floats) -> Floats:
    values: Floats = ((grey - grey.mean()) / max(float(grey.std()), 1e-6)).ravel()
    return values


def _reject(code: str, message: str) -> QualityFinding:
    return QualityFinding(code, Severity.REJECT, message)


def _flag(code: str, message: str) -> QualityFinding:
    return QualityFinding(code, Severity.FLAG, message)


_CHANGES: dict[str, tuple[Callable[[Floats], Floats], str]] = {
    "inverted": (lambda one: -one, "black and white are inverted; invert it back"),
    "upside_down": (lambda one: np.rot90(one, 2), "upside down; turn it upright"),
    "turned_left": (lambda one: np.rot90(one, -1), "turned to the left; turn it upright"),
    "turned_right": (lambda one: np.rot90(one, 1), "turned to the right; turn it upright"),
    "inverted_upside_down": (
        lambda one: -np.rot90(one, 2),
        "black and white are inverted, and it is upside down; put both right",
    ),
    "inverted_turned_left": (
        lambda one: -np.rot90(one, -1),
        "black and white are inverted, and it is turned; put both right",
    ),
    "inverted_turned_right": (
        lambda one: -np.rot90(one, 1),
        "black and white are inverted, and it is turned; put both right",
    ),
}
"""What may have been done to a radiograph: how it is undone, and how that is said."""
