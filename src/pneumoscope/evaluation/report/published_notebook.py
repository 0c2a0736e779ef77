"""Published results of the Mount Sinai notebook: metrics of its models, choice, errors.

Source: J. H. Kim, "Predicting Pneumonia with X-Ray Images for Mt. Sinai Hospital", 2023, section
"Evaluation". The metrics are those on its 624 test images, at the threshold 0.5.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pneumoscope.report.estimate import Estimate


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """Row of the notebook's table, as published: three decimals, on its test images."""

    name: str
    accuracy: float
    precision: float
    recall: float


PUBLISHED_MODELS: Final = (
    PublishedModel("model_1", 0.728, 0.699, 0.992),
    PublishedModel("model_2", 0.792, 0.756, 0.985),
    PublishedModel("model_3", 0.625, 0.625, 1.000),
    PublishedModel("model_4", 0.683, 0.663, 1.000),
    PublishedModel("model_5", 0.803, 0.763, 0.992),
    PublishedModel("model_6", 0.755, 0.718, 1.000),
    PublishedModel("model_7", 0.856, 0.822, 0.982),
)
"""Rows of the notebook's table."""

PUBLISHED_VAL_LOSSES: Final[Mapping[str, tuple[float, ...]]] = {
    "model_1": (0.1422, 0.0930, 0.0784),
    "model_2": (0.1429, 0.1180, 0.1385, 0.1059, 0.1134, 0.1171, 0.1433),
    "model_4": (2.2089, 1.4363, 1.1570, 1.5028, 1.2163, 0.5463, 1.3177, 0.2925, 1.5344, 0.1045),
    "model_5": (0.2756, 0.2519, 0.2464, 0.1835, 0.1821, 0.1633, 0.1712, 0.1650, 0.1399, 0.1344),
    "model_6": (1.2780, 0.6065, 0.3987, 0.3671, 0.2825, 0.2279, 0.1933, 0.1894, 0.2094, 0.1604),
    "model_7": (2.7450, 1.2534, 0.7471, 0.5204, 0.3720, 0.3053, 0.2464, 0.2174, 0.2201, 0.1913),
}
"""Validation losses that its training logs print, by epoch; that of model_3 is not in the text."""

PUBLISHED_REMARKS: Final[Mapping[str, str]] = {
    "model_1": "“This is an impressive benchmark to start with.”",
    "model_2": "“The recall increased a little at the cost of decreased accuracy. Overall, the "
    "performance metrics is similar to the first baseline model.” Its table shows the opposite: "
    "recall 0.985 after 0.992, and accuracy 0.792 after 0.728.",
    "model_3": "“The perfect recall is a good thing, but the prediction accuracy is pathetic. This "
    "model is still not reliable.”",
    "model_4": "“We saw a sharp increase in accuracy, with a perfect recall.”",
    "model_5": "“We've got our best model so far.” “We will choose the fifth model to be our final "
    "model. It increased the precision score by 0.075 while retaining the recall score.”",
    "model_7": "“Seventh model's superb performance on precision was in exchange for increased "
    "false negatives, so thus is unwelcome.”",
}
"""Remarks of the notebook on its own models, quoted; it has none on model_6."""

PUBLISHED_CHOICE: Final = "model_5"
"""Model that the notebook chose."""

PUBLISHED_FALSE_NEGATIVES: Final = (
    "person127_bacteria_604.jpeg",
    "person153_bacteria_726.jpeg",
    "person154_bacteria_728.jpeg",
)
"""Test images with PNEUMONIA that its chosen model called NORMAL."""

PUBLISHED_COUNTS: Final[Mapping[str, Mapping[str, int]]] = {
    "train": {"NORMAL": 1080, "PNEUMONIA": 3107},
    "validation": {"NORMAL": 269, "PNEUMONIA": 776},
    "test": {"NORMAL": 234, "PNEUMONIA": 390},
}
"""Number of its images per split and class."""


def published_operating_point() -> tuple[Estimate, Estimate]:
    """Return sensitivity and specificity of the model that the notebook chose.

    It published recall 0.992 and precision 0.763 for 390 images with PNEUMONIA and 234 NORMAL. Only
    387 true positives and 120 false positives round to both, which also gives its accuracy of 0.803
    and its three false negatives; so the specificity, which it did not publish, is 114 / 234.

    Examples
    --------
    >>> sensitivity, specificity = published_operating_point()
    >>> print(sensitivity, specificity)
    0.992 0.487
    """
    model = next(model for model in PUBLISHED_MODELS if model.name == PUBLISHED_CHOICE)
    ill, healthy = PUBLISHED_COUNTS["test"]["PNEUMONIA"], PUBLISHED_COUNTS["test"]["NORMAL"]
    tp = round(model.recall * ill)
    fp = round(tp / model.precision) - tp
    return Estimate(tp / ill), Estimate(1 - fp / healthy)


def is_published_data(counts: Mapping[str, Mapping[str, int]]) -> bool:
    """Return whether numbers of images per split and class agree with those of the notebook.

    The test images must agree, and the images of training and validation together, since the
    notebook drew that split at random.

    Examples
    --------
    >>> is_published_data(PUBLISHED_COUNTS)
    True
    >>> is_published_data({"test": {"NORMAL": 10, "PNEUMONIA": 10}})
    False
    """
    return _test_and_rest(counts) == _test_and_rest(PUBLISHED_COUNTS)


def _test_and_rest(counts: Mapping[str, Mapping[str, int]]) -> list[tuple[int, int]]:
    def number(split: str, name: str) -> int:
        return counts.get(split, {}).get(name, 0)

    return [
        (number("test", name), number("train", name) + number("validation", name))
        for name in ("NORMAL", "PNEUMONIA")
    ]
