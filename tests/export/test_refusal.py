"""Limits of refusal, fitted on held-out images; their score agrees with scikit-learn's."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pneumoscope.dataset import Entry, Label
from pneumoscope.export import outsiders as outsiders_module
from pneumoscope.export import refusal as refusal_module
from pneumoscope.export.familiarity import fit_familiarity
from pneumoscope.export.outsiders import (
    AugmentedFeatures,
    Outsiders,
    fit_outsider_weights,
    read_outsiders,
)
from pneumoscope.export.refusal import fit_refusal
from pneumoscope.lungs import Preparation
from pneumoscope.reader import Bundle
from pneumoscope.reader.familiarity import FeatureFamiliarity
from pneumoscope.support.errors import RunError

N_FEATURES = 5


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_score_is_that_of_a_standardised_logistic_regression(rng: np.random.Generator) -> None:
    inside, outside = (
        (rng.normal(size=(n, N_FEATURES)) * [1, 5, 0.1, 1, 1] + shift).astype(np.float32)
        for n, shift in ((300, 3), (40, 4))
    )
    features, is_outside = np.concatenate([inside, outside]), np.repeat([0, 1], [300, 40])
    pipeline = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000)
    ).fit(features, is_outside)
    one = np.eye(N_FEATURES, dtype=np.float32)
    model = FeatureFamiliarity(one, one[:1], fit_outsider_weights(inside, outside))
    strangers = rng.normal(size=(20, N_FEATURES)).astype(np.float32)
    np.testing.assert_allclose(
        model.outsider_score(strangers), pipeline.decision_function(strangers), atol=1e-4
    )
    again = FeatureFamiliarity.from_bytes(model.to_bytes())
    np.testing.assert_array_equal(again.outsider_weights, model.outsider_weights)


PREPARATION = Preparation(8)


@dataclass(frozen=True)
class FakeSplit:
    """Split whose features are given, in the place of `SplitOutput`."""

    features: np.ndarray
    prefix: str
    images_of_patient: int = 2

    @property
    def whole(self) -> np.ndarray:
        return np.zeros((len(self.features), 8, 8), np.uint8)

    @property
    def output(self) -> "FakeSplit":
        return self

    @property
    def examples(self) -> "FakeSplit":
        return self

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(
            Entry(
                f"{self.prefix}{row}.png",
                Label.NORMAL,
                sha256=f"{self.prefix}{row}",
                patient=f"{self.prefix}{row // self.images_of_patient}",
            )
            for row in range(len(self.features))
        )


@pytest.fixture
def no_graph(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> np.ndarray:
    """Let outsiders have features of their own, instead of running a graph; return these."""
    outside = rng.normal(size=(60, N_FEATURES)).astype(np.float32)
    outside[:, 0] += 2.5

    def augment(_: bytes, __: Preparation, inside: tuple, ___: Outsiders) -> tuple:
        return tuple(
            AugmentedFeatures(features, features[:0], np.zeros(0, np.intp))
            for features in (inside[1], outside)
        )

    monkeypatch.setattr(refusal_module, "augment_features", augment)
    return outside


def normal_split(rng: np.random.Generator, n: int, prefix: str) -> FakeSplit:
    return FakeSplit(rng.normal(size=(n, N_FEATURES)).astype(np.float32), prefix)


def test_each_limit_is_a_quantile_of_the_validation_images(
    rng: np.random.Generator, no_graph: np.ndarray
) -> None:
    train, validation = normal_split(rng, 600, "t"), normal_split(rng, 1000, "v")
    stranger = Outsiders("adults", *[np.zeros((60, 8, 8), np.uint8)] * 2, frozenset())
    familiarity, limits = fit_refusal(
        b"", PREPARATION, fit_familiarity(train.features), train, validation, stranger
    )
    beyond_distance = familiarity.distance(validation.features) > limits.distance
    beyond_score = familiarity.outsider_score(validation.features) > limits.outsider_score
    assert beyond_distance.sum() == beyond_score.sum() == 5
    refused = limits.exceeded(familiarity, validation.features)
    np.testing.assert_array_equal(refused, beyond_distance | beyond_score)
    estimate = limits.false_refusals
    assert estimate.value == refused.mean() <= 0.01
    assert 0 < estimate.low < estimate.value < estimate.high < 0.03
    assert limits.outsiders == "adults"
    # Most outsiders are refused by the score, though few are by their distance.
    assert (familiarity.distance(no_graph) > limits.distance).mean() < 0.5
    assert limits.exceeded(familiarity, no_graph).mean() > 0.5


def test_without_outsiders_distance_alone_decides(rng: np.random.Generator) -> None:
    train, validation = normal_split(rng, 200, "t"), normal_split(rng, 400, "v")
    familiarity, limits = fit_refusal(
        b"", PREPARATION, fit_familiarity(train.features), train, validation
    )
    assert (limits.outsider_score, limits.outsiders) == (None, None)
    assert familiarity.outsider_weights is None
    assert limits.exceeded(familiarity, validation.features).sum() == 2


def test_without_validation_each_image_is_left_out_with_its_patient(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer images than features: those fitted on are near, those left out are far."""
    features = rng.normal(size=(40, 60)).astype(np.float32)
    train = FakeSplit(np.repeat(features, 2, axis=0), "t")
    fitted = []
    fit = refusal_module.fit_familiarity

    def watch(part: np.ndarray) -> FeatureFamiliarity:
        fitted.append(part)
        return fit(part)

    monkeypatch.setattr(refusal_module, "fit_familiarity", watch)
    familiarity = fit(train.features)
    _, limits = fit_refusal(b"", PREPARATION, familiarity, train, None)
    assert len(fitted) == 5
    for part in fitted:
        kept = [bool((part == patient).all(1).any()) for patient in features]
        # A patient's two equal images are kept, or left out, together.
        assert len(part) == 2 * sum(kept)
        assert sum(kept) == 32
    assert limits.distance > 2 * familiarity.distance(train.features).max()


def test_a_training_image_among_the_outsiders_is_an_outsider(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = normal_split(rng, 30, "t")
    seen = []

    def augment(_: bytes, __: Preparation, inside: tuple, outside: Outsiders) -> tuple:
        seen.append(inside[1])
        none = np.zeros(0, np.intp)
        return tuple(
            AugmentedFeatures(part, part[:0], none) for part in (inside[1], outside.pixels)
        )

    monkeypatch.setattr(refusal_module, "augment_features", augment)
    stranger = Outsiders("two", *[train.features[:2] + 9] * 2, frozenset({"t0", "t7"}))
    familiarity = fit_familiarity(train.features)
    fit_refusal(b"", PREPARATION, familiarity, train, train, stranger)
    np.testing.assert_array_equal(seen[0], np.delete(train.features, [0, 7], axis=0))
    everyone = replace(stranger, hashes=frozenset(f"t{row}" for row in range(30)))
    with pytest.raises(RunError, match="every training image is among them"):
        fit_refusal(b"", PREPARATION, familiarity, train, train, everyone)


def test_outsiders_are_read_from_folders_and_counted(
    exported: Path, radiographs: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preparation = Bundle.open(exported).preparation
    (tmp_path / "adults").mkdir()
    for path in radiographs(3):
        (tmp_path / "adults" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "adults" / "broken.png").write_bytes(b"")
    with pytest.raises(RunError, match=r"--outsiders adults: 3 radiographs .* at least 30"):
        read_outsiders([tmp_path / "adults"], preparation)
    monkeypatch.setattr(outsiders_module, "MIN_OUTSIDERS", 3)
    stranger = read_outsiders([tmp_path / "adults"], preparation)
    assert stranger.description == "3 radiographs (adults)"
    named = read_outsiders([tmp_path / "adults"], preparation, "adults of Ulm")
    assert named.description == "3 radiographs of adults of Ulm"
    assert stranger.pixels.shape == (3, preparation.size, preparation.size)
    # A JPEG has blocks of 8 x 8 pixels, between which it has more edges than within.
    steps = np.abs(np.diff(stranger.whole.astype(int), axis=2)).mean((0, 1))
    assert steps[7::8].mean() > steps[[i for i in range(len(steps)) if i % 8 != 7]].mean()
    assert len(stranger.hashes) == 3
