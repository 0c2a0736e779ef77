"""Quality gate: rejects and flags images that are not usual frontal chest radiographs."""

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats: TypeAlias = NDArray[np.float32]

MIN_SIDE_PIXELS = 96
"""Smallest side of an image; the training images have 224, and far fewer show no lung markings."""

MAX_GREY_COLOURFULNESS, MAX_COLOURFULNESS = 0.01, 0.04
"""Mean difference between colour channels above which an image is flagged, and rejected."""

MIN_DEVIATION = 0.02
"""Standard deviation of grey values below which an image is blank."""

MIN_DISTANCE_RATIO = 1.25
"""Distance of an image over that of its turned or inverted copy, to be rejected as such."""

REJECTION_FACTOR = 1.3
"""Distance over the limit of the gate, above which an image is rejected."""

_SIZE = (32, 32)
_AXES = 60
_CROPPED_AXES = 20
_CROP_SHARES = (0.35, 0.75)
"""Smallest and largest share of each side that a random crop keeps."""

_STORED_LIMITS = {
    "max_distance": "usual",
    "max_croppedness": "whole",
    "min_brightness": "darkest",
    "max_brightness": "brightest",
    "min_contrast": "faintest",
}
"""Limits of a gate, and their names in its file."""

_QUANTILES = (0.005, 0.995)
_TOLERANCE = 1.1
"""Factor by which the limits lie beyond the quantiles of the validation images."""


class Severity(StrEnum):
    """Severity of a finding.

    ``reject``: the image is not a usual frontal chest radiograph, and is not read; ``outside``: the
    bundle may not answer for it; ``flag``: it is read, with doubt.
    """

    REJECT = "reject"
    OUTSIDE = "outside"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class QualityFinding:
    """Reason to doubt that an image can be read."""

    code: str
    """Code of the finding, stable, for programs."""
    severity: Severity
    message: str
    """Finding and remedy in words."""


@dataclass(frozen=True, eq=False)
class Appearance:
    """Model of thumbnails by probabilistic principal component analysis.

    Parameters
    ----------
    mean
        Mean of the standardised thumbnails, float32, shape (1024,).
    axes, variances
        Principal axes and the variances along them, the largest first, float32, shapes
        (axes, 1024) and (axes,).
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
        """Return the Mahalanobis distance over sqrt(number of pixels); about 1 for usual images.

        A thumbnail is standardised, float32, shape (1024,).
        """
        centred = thumbnail - self.mean
        scores = self.axes @ centred
        residual = float(centred @ centred - scores @ scores)
        square = float((scores**2 / self.variances).sum()) + max(0.0, residual) / self.noise
        return float(np.sqrt(square / centred.size))

    def log_density(self, thumbnail: Floats) -> float:
        """Return the log density over the number of pixels, up to a constant."""
        size = self.mean.size
        volume = float(np.log(self.variances).sum()) + (size - len(self.axes)) * np.log(self.noise)
        return float(-0.5 * (self.distance(thumbnail) ** 2 + volume / size))

    def truncated(self, axes: int) -> "Appearance":
        """Return the model with fewer axes; the variance along the others becomes noise."""
        size = self.mean.size
        rest = float(self.variances[axes:].sum()) + self.noise * (size - len(self.axes))
        noise = rest / (size - axes)
        return Appearance(self.mean, self.axes[:axes], self.variances[:axes], noise)


@dataclass(frozen=True, eq=False)
class QualityGate:
    """Quality gate: models of training radiographs at 32 x 32 pixels, and limits.

    Parameters
    ----------
    upright
        Model of the radiographs. An image that is closer to it when turned or inverted is rejected.
    cropped
        Model of random crops of the radiographs. An image that fits it better is flagged.
    max_distance
        Largest distance from ``upright`` that is not flagged.
    max_croppedness
        Largest difference of the log densities, ``cropped`` minus ``upright``, that is not flagged.
    min_brightness, max_brightness
        Range of mean grey values, within [0, 1], that is not flagged.
    min_contrast
        Smallest standard deviation of grey values that is not flagged.
    """

    upright: Appearance
    cropped: Appearance
    max_distance: float
    max_croppedness: float
    min_brightness: float
    max_brightness: float
    min_contrast: float

    def assess(
        self, pixels: Floats, colourfulness: float = 0.0, is_chest: bool = True
    ) -> tuple[QualityFinding, ...]:
        """Return the findings about an image; empty for a usual radiograph.

        Parameters
        ----------
        pixels
            Grey values, float32, shape (height, width), range [0, 1], 0 = black.
        colourfulness
            Mean difference between the largest and the smallest colour channel, range [0, 1].
        is_chest
            Whether it may be a frontal chest radiograph; the shape of another image, which the file
            names, tells nothing.
        """
        return tuple(self._findings(pixels, colourfulness, is_chest))

    def croppedness(self, thumbnail: Floats) -> float:
        """Return the log density of a thumbnail as a crop minus that as a complete radiograph."""
        complete = self.upright.truncated(len(self.cropped.axes))
        return self.cropped.log_density(thumbnail) - complete.log_density(thumbnail)

    def to_bytes(self) -> bytes:
        """Return the content of an ``.npz`` file that `from_bytes` reads."""
        values = {name: getattr(self, limit) for limit, name in _STORED_LIMITS.items()}
        for kind in ("upright", "cropped"):
            values |= {f"{kind}_{key}": value for key, value in vars(getattr(self, kind)).items()}
        file = io.BytesIO()
        np.savez(file, **values)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "QualityGate":
        """Read the content of an ``.npz`` file that `to_bytes` made."""
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
            limits = {limit: float(arrays[name]) for limit, name in _STORED_LIMITS.items()}
            return cls(upright, cropped, **limits)

    def _findings(
        self, pixels: Floats, colourfulness: float, is_chest: bool
    ) -> Iterator[QualityFinding]:
        height, width = pixels.shape
        if min(height, width) < MIN_SIDE_PIXELS:
            yield _reject("too_small", f"only {width} x {height} pixels; send the original image")
            return
        grey = np.asarray(Image.fromarray(pixels).resize(_SIZE, Image.Resampling.BOX))
        if grey.std() < MIN_DEVIATION:
            yield _reject("blank", "a blank image: nearly all of it has one grey value")
            return
        if colourfulness > MAX_COLOURFULNESS:
            yield _reject("colour", "a colour picture, not a radiograph")
            return
        if colourfulness > MAX_GREY_COLOURFULNESS:
            yield _flag(
                "coloured", "some colour in the image: a marking, or a photographed screen?"
            )
        if is_chest:
            yield from self._shape_findings(_standardise(grey))
        yield from self._exposure_findings(grey)

    def _shape_findings(self, thumbnail: Floats) -> Iterator[QualityFinding]:
        distance = self.upright.distance(thumbnail)
        square = thumbnail.reshape(_SIZE)
        corrected = {
            code: self.upright.distance(np.ascontiguousarray(correct(square)).ravel())
            for code, (correct, _) in _CORRECTIONS.items()
        }
        best = min(corrected, key=corrected.__getitem__)
        rejection_limit = REJECTION_FACTOR * self.max_distance
        if corrected[best] * MIN_DISTANCE_RATIO < distance and corrected[best] < rejection_limit:
            yield _reject(best, _CORRECTIONS[best][1])
        elif distance > rejection_limit:
            yield _reject(
                "no_chest", "does not look like a frontal chest radiograph; send one, uncropped"
            )
        elif self.croppedness(thumbnail) > self.max_croppedness:
            yield _flag(
                "cropped", "part of a radiograph, or framed unusually; send the complete radiograph"
            )
        elif distance > self.max_distance:
            yield _flag("unusual", "framed or exposed unlike the training radiographs")

    def _exposure_findings(self, grey: Floats) -> Iterator[QualityFinding]:
        if grey.mean() < self.min_brightness:
            yield _flag("dark", "very dark, overexposed or wrongly windowed")
        elif grey.mean() > self.max_brightness:
            yield _flag("bright", "very bright, underexposed or wrongly windowed")
        if grey.std() < self.min_contrast:
            yield _flag("faint", "very little contrast")


def fit_gate(train: NDArray[np.uint8], validation: NDArray[np.uint8]) -> QualityGate:
    """Fit the models of a quality gate, and set its limits on other radiographs of the source.

    Parameters
    ----------
    train
        Upright training radiographs, uint8, shape (n, size, size).
    validation
        Upright radiographs of other patients, uint8, shape (n, size, size).
    """
    thumbnails = _thumbnails(validation)
    upright = _fit_appearance(_thumbnails(train), _AXES)
    cropped = _fit_appearance(_thumbnails(_random_crops(train)), _CROPPED_AXES)
    gate = QualityGate(upright, cropped, np.inf, np.inf, 0.0, 1.0, 0.0)
    shapes = [_standardise(thumbnail) for thumbnail in thumbnails]
    means = [thumbnail.mean() for thumbnail in thumbnails]
    contrasts = [thumbnail.std() for thumbnail in thumbnails]
    low, high = _QUANTILES
    return replace(
        gate,
        max_distance=_TOLERANCE * float(np.quantile([*map(upright.distance, shapes)], high)),
        max_croppedness=float(np.quantile([*map(gate.croppedness, shapes)], high)),
        min_brightness=float(np.quantile(means, low)) / _TOLERANCE,
        max_brightness=1 - (1 - float(np.quantile(means, high))) / _TOLERANCE,
        min_contrast=float(np.quantile(contrasts, low)) / _TOLERANCE,
    )


def _fit_appearance(thumbnails: list[Floats], axes: int) -> Appearance:
    shapes = np.stack([_standardise(thumbnail) for thumbnail in thumbnails]).astype(np.float64)
    mean = shapes.mean(0)
    axes = min(axes, len(shapes) - 2)
    variances, directions = np.linalg.eigh(np.cov(shapes - mean, rowvar=False))
    noise = max(float(variances[:-axes].mean()), 1e-4)
    return Appearance(
        mean.astype(np.float32),
        np.ascontiguousarray(directions[:, : -axes - 1 : -1].T).astype(np.float32),
        np.maximum(variances[: -axes - 1 : -1], noise).astype(np.float32),
        noise,
    )


def _random_crops(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Yield two random crops of each image; always the same for the same images."""
    rng = np.random.default_rng(0)
    for image in (*images, *images):
        side = int(rng.uniform(*_CROP_SHARES) * len(image))
        top, left = rng.integers(0, len(image) - side + 1, 2)
        yield image[top : top + side, left : left + side]


def _thumbnails(images: Iterable[NDArray[np.uint8]]) -> list[Floats]:
    return [
        np.asarray(
            Image.fromarray(image.astype(np.float32) / 255).resize(_SIZE, Image.Resampling.BOX)
        )
        for image in images
    ]


def _standardise(grey: Floats) -> Floats:
    values: Floats = ((grey - grey.mean()) / max(float(grey.std()), 1e-6)).ravel()
    return values


def _reject(code: str, message: str) -> QualityFinding:
    return QualityFinding(code, Severity.REJECT, message)


def _flag(code: str, message: str) -> QualityFinding:
    return QualityFinding(code, Severity.FLAG, message)


_CORRECTIONS: dict[str, tuple[Callable[[Floats], Floats], str]] = {
    "inverted": (lambda grey: -grey, "black and white are inverted; invert it back"),
    "upside_down": (lambda grey: np.rot90(grey, 2), "upside down; turn it upright"),
    "turned_left": (lambda grey: np.rot90(grey, -1), "turned to the left; turn it upright"),
    "turned_right": (lambda grey: np.rot90(grey, 1), "turned to the right; turn it upright"),
    "inverted_upside_down": (
        lambda grey: -np.rot90(grey, 2),
        "black and white are inverted, and it is upside down; correct both",
    ),
    "inverted_turned_left": (
        lambda grey: -np.rot90(grey, -1),
        "black and white are inverted, and it is turned; correct both",
    ),
    "inverted_turned_right": (
        lambda grey: -np.rot90(grey, 1),
        "black and white are inverted, and it is turned; correct both",
    ),
}
"""Corrections of turned and inverted radiographs, and messages, by the code of the finding."""
