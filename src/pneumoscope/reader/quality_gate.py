"""The quality gate: whether an image is a chest radiograph that the network can be shown."""

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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
_CROPPED_AXES = 20
_PARTS = (0.35, 0.75)
"""Share of each side that a random part keeps."""

_LIMITS = ("usual", "whole", "darkest", "brightest", "faintest")
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
class Appearance:
    """What thumbnails of one kind look like: probabilistic principal component analysis.

    Parameters
    ----------
    mean
        float32, shape (1024,), of thumbnails of mean 0 and standard deviation 1.
    axes, variances
        float32, shapes (axes, 1024) and (axes,): along which they differ most, most first.
    noise
        Variance along all other directions.

    References
    ----------
    Tipping and Bishop, "Probabilistic Principal Component Analysis", J R Stat Soc B 61:611-622,
    1999.
    """

    mean: Floats
    axes: Floats
    variances: Floats
    noise: float

    def distance(self, thumbnail: Floats) -> float:
        """Return Mahalanobis' distance by the root of the number of pixels; about 1 for its kind.

        Parameters
        ----------
        thumbnail
            float32, shape (1024,).
        """
        centred = thumbnail - self.mean
        along = self.axes @ centred
        beside = float(centred @ centred - along @ along)
        square = float((along**2 / self.variances).sum()) + max(0.0, beside) / self.noise
        return float(np.sqrt(square / centred.size))

    def log_density(self, thumbnail: Floats) -> float:
        """Return the logarithm of the density, by the number of pixels, up to a constant."""
        size = self.mean.size
        volume = float(np.log(self.variances).sum()) + (size - len(self.axes)) * np.log(self.noise)
        return float(-0.5 * (self.distance(thumbnail) ** 2 + volume / size))

    def coarser(self, axes: int) -> "Appearance":
        """Return the same with fewer axes; what the others explained becomes noise."""
        size = self.mean.size
        rest = float(self.variances[axes:].sum()) + self.noise * (size - len(self.axes))
        noise = rest / (size - axes)
        return Appearance(self.mean, self.axes[:axes], self.variances[:axes], noise)


@dataclass(frozen=True, eq=False)
class QualityGate:
    """What upright training radiographs look like at 32 x 32 pixels.

    Parameters
    ----------
    upright
        The radiographs. The distance of an image turned or inverted tells that it should be.
    cropped
        Random parts of them. An image more like these than like whole ones shows a part.
    usual
        Largest distance that is not flagged.
    whole
        Largest excess in log density of the parts over the whole that is not flagged.
    darkest, brightest
        Mean grey values, within [0, 1], between which an exposure is not flagged.
    faintest
        Standard deviation of grey values from which a contrast is not flagged.
    """

    upright: Appearance
    cropped: Appearance
    usual: float
    whole: float
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

    def croppedness(self, thumbnail: Floats) -> float:
        """Return how much more like parts of radiographs than like whole ones a thumbnail is."""
        whole = self.upright.coarser(len(self.cropped.axes))
        return self.cropped.log_density(thumbnail) - whole.log_density(thumbnail)

    def to_bytes(self) -> bytes:
        """Return the gate as an ``.npz`` file."""
        values = {name: getattr(self, name) for name in _LIMITS}
        for kind in ("upright", "cropped"):
            values |= {f"{kind}_{key}": value for key, value in vars(getattr(self, kind)).items()}
        file = io.BytesIO()
        np.savez(file, **values)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "QualityGate":
        """Read what `to_bytes` gave."""
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            upright, cropped = (
                Appearance(
                    arrays[f"{kind}_mean"],
                    arrays[f"{kind}_axes"],
                    arrays[f"{kind}_variances"],
                    float(arrays[f"{kind}_noise"]),
                )
                for kind in ("upright", "cropped")
            )
            return cls(upright, cropped, *(float(arrays[name]) for name in _LIMITS))

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
        upright = self.upright.distance(thumbnail)
        square = thumbnail.reshape(_SIDE, _SIDE)
        others = {
            name: self.upright.distance(np.ascontiguousarray(change(square)).ravel())
            for name, (change, _) in _CHANGES.items()
        }
        best = min(others, key=others.__getitem__)
        if others[best] * TURNED < upright and others[best] < NO_CHEST * self.usual:
            yield _reject(best, _CHANGES[best][1])
        elif upright > NO_CHEST * self.usual:
            yield _reject(
                "no_chest", "does not look like a frontal chest radiograph; send one, uncropped"
            )
        elif self.croppedness(thumbnail) > self.whole:
            yield _flag("cropped", "a part of a radiograph, or not framed as usual; send the whole")
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
    thumbnails = _thumbnails(validation)
    upright = _appearance(_thumbnails(train), _AXES)
    cropped = _appearance(_thumbnails(_parts(train)), _CROPPED_AXES)
    gate = QualityGate(upright, cropped, np.inf, np.inf, 0.0, 1.0, 0.0)
    shapes = [_standardised(one) for one in thumbnails]
    means, contrasts = [one.mean() for one in thumbnails], [one.std() for one in thumbnails]
    low, high = _QUANTILES
    return QualityGate(
        upright,
        cropped,
        usual=_SLACK * float(np.quantile([upright.distance(one) for one in shapes], high)),
        whole=float(np.quantile([gate.croppedness(one) for one in shapes], high)),
        darkest=float(np.quantile(means, low)) / _SLACK,
        brightest=1 - (1 - float(np.quantile(means, high))) / _SLACK,
        faintest=float(np.quantile(contrasts, low)) / _SLACK,
    )


def _appearance(thumbnails: list[Floats], axes: int) -> Appearance:
    normal = np.stack([_standardised(one) for one in thumbnails]).astype(np.float64)
    mean = normal.mean(0)
    axes = min(axes, len(normal) - 2)
    variances, directions = np.linalg.eigh(np.cov(normal - mean, rowvar=False))
    noise = max(float(variances[:-axes].mean()), 1e-4)
    return Appearance(
        mean.astype(np.float32),
        np.ascontiguousarray(directions[:, : -axes - 1 : -1].T).astype(np.float32),
        np.maximum(variances[: -axes - 1 : -1], noise).astype(np.float32),
        noise,
    )


def _parts(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Yield random parts of images, two of each; always the same for the same images."""
    rng = np.random.default_rng(0)
    for image in (*images, *images):
        side = int(rng.uniform(*_PARTS) * len(image))
        top, left = rng.integers(0, len(image) - side + 1, 2)
        yield image[top : top + side, left : left + side]


def _thumbnails(images: Iterable[NDArray[np.uint8]]) -> list[Floats]:
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
