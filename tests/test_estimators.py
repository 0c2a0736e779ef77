"""Estimators: what scikit-learn asks of them, and that they learn as a Run does."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from pandas.testing import assert_frame_equal
from PIL import Image
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import pneumoscope as ps
from pneumoscope.dataset import Split
from pneumoscope.models.efficientnet_lite import EfficientNetLiteFeatures
from pneumoscope.models.efficientnet_lite_weights import VARIANTS, load_efficientnet_lite
from pneumoscope.support.errors import ArrayError, RecipeError

from .conftest import draw_chest

SETTINGS = {"image_size": 64, "epochs": 4, "batch_size": 8, "precision": "float32"}
RANDOM_FEATURES = {"image_size": 64, "weights": "none", "precision": "float32"}


def chests(n: int) -> tuple[NDArray[np.uint8], NDArray[np.int_]]:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    return np.stack([draw_chest(rng, bool(label)) for label in labels]), labels


TABLES = "fits a table, shape (n, features); images have the shape (n, height, width)"
FAILURES = [
    "check_dict_unchanged",
    "check_dont_overwrite_parameters",
    "check_dtype_object",
    "check_estimators_dtypes",
    "check_estimators_fit_returns_self",
    "check_estimators_nan_inf",
    "check_estimators_overwrite_params",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit2d_1feature",
    "check_fit2d_predict1d",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_fit_score_takes_y",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_n_features_in",
    "check_n_features_in_after_fitting",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_readonly_memmap_input",
]
EXPECTED_FAILED_CHECKS = {
    "Classifier": dict.fromkeys(
        [
            *FAILURES,
            "check_classifier_data_not_an_array",
            "check_classifiers_classes",
            "check_classifiers_train",
            "check_supervised_y_2d",
        ],
        TABLES,
    ),
    "Extractor": dict.fromkeys(
        [
            *FAILURES,
            "check_fit2d_1sample",
            "check_transformer_data_not_an_array",
            "check_transformer_general",
        ],
        TABLES,
    ),
}


class TakesTables:
    """Tag that claims tables, without which scikit-learn runs no check."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


class Classifier(TakesTables, ps.PneumoscopeClassifier):
    pass


class Extractor(TakesTables, ps.FeatureExtractor):
    pass


@parametrize_with_checks(
    [Classifier("model_1"), Extractor()],
    expected_failed_checks=lambda estimator: EXPECTED_FAILED_CHECKS[type(estimator).__name__],
    xfail_strict=True,
)
def test_checks_of_scikit_learn(estimator: BaseEstimator, check: Callable) -> None:
    check(estimator)


def test_a_classifier_learns_what_a_run_learns(few_phantoms: Path, tmp_path: Path) -> None:
    manifest = ps.load_manifest(few_phantoms)
    entries = [entry for entry in manifest.in_use if entry.split is not Split.TEST]
    images = [Image.open(manifest.root / entry.path).convert("L") for entry in entries]
    arrays = np.stack([np.asarray(image) for image in images])
    labels = [entry.label.name for entry in entries]
    classifier = ps.PneumoscopeClassifier("model_1", settings=SETTINGS)
    classifier.fit(arrays, labels, groups=[entry.group for entry in entries])
    run = ps.train(manifest, "model_1", tmp_path, seed=0, **SETTINGS)
    expected = run.read_weights()
    state = classifier.network_.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    assert classifier.classes_.tolist() == ["NORMAL", "PNEUMONIA"]
    recorded = {
        Path(file).name: p
        for file, p in pd.read_csv(run.folder / "predictions" / "validation.csv")[
            ["file", "probability"]
        ].to_numpy()
    }
    probabilities = classifier.predict_proba(arrays)[:, 1]
    for entry, probability in zip(entries, probabilities, strict=True):
        if entry.split is Split.VALIDATION:
            assert probability == pytest.approx(recorded[Path(entry.path).name], abs=1e-6)
    losses = classifier.history_.to_frame().drop(columns="seconds")
    assert_frame_equal(losses, run.history().to_frame().drop(columns="seconds"))


def test_a_classifier_keeps_the_contract_on_images() -> None:
    images, labels = chests(40)
    images.flags.writeable = False
    classifier = ps.PneumoscopeClassifier("model_1", settings=SETTINGS)
    before = classifier.get_params()
    with pytest.raises(NotFittedError):
        classifier.predict(images)
    assert classifier.fit(images, labels) is classifier
    assert classifier.get_params() == before
    probabilities = classifier.predict_proba(images)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (classifier.predict(images) == probabilities.argmax(axis=1)).all()
    assert classifier.score(images, labels) > 0.8
    np.testing.assert_allclose(
        classifier.predict_proba(images[::-1][:7]), probabilities[::-1][:7], atol=1e-6
    )
    again = clone(classifier).fit(images / np.float32(255), labels)
    np.testing.assert_allclose(again.predict_proba(images), probabilities, atol=1e-6)
    other = clone(classifier).set_params(random_state=1).fit(images, labels)
    assert not np.allclose(other.predict_proba(images), probabilities)
    restored = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(restored.predict_proba(images), probabilities)


def test_patients_stay_together_in_cross_validation() -> None:
    images, labels = chests(48)
    patients = np.arange(48) // 4
    seen = []

    class Recorder(ps.PneumoscopeClassifier):
        def fit(self, X: Any, y: Any, groups: Any = None) -> Any:  # noqa: N803
            seen.append(groups)
            return super().fit(X, y, groups)

    scores = cross_val_score(
        Recorder("model_1", settings={**SETTINGS, "epochs": 1}),
        images,
        labels,
        groups=patients,
        params={"groups": patients},
        cv=GroupKFold(2),
        error_score="raise",
    )
    assert np.isfinite(scores).all()
    assert [len(set(groups)) for groups in seen] == [6, 6]


def test_features_are_the_means_of_the_pretrained_layers() -> None:
    images, _ = chests(12)
    extractor = ps.FeatureExtractor(settings=RANDOM_FEATURES).fit(images)
    weights = load_efficientnet_lite(VARIANTS[0], "none", seed=0)
    layers = EfficientNetLiteFeatures(VARIANTS[0].scaling).eval()
    layers.load_state_dict(weights.state)
    with torch.no_grad():
        expected = layers(torch.from_numpy(images)[:, None] / 255).mean((2, 3)).numpy()
    np.testing.assert_allclose(extractor.transform(images), expected, rtol=1e-4, atol=1e-5)
    names = extractor.get_feature_names_out()
    assert (len(names), names[0]) == (expected.shape[1], "featureextractor0")


def test_an_extractor_is_the_first_step_of_a_pipeline() -> None:
    images, labels = chests(32)
    pipeline = make_pipeline(
        ps.FeatureExtractor(settings=RANDOM_FEATURES), StandardScaler(), LogisticRegression()
    )
    scores = cross_val_score(pipeline, images, labels, groups=np.arange(32) // 2, cv=GroupKFold(2))
    assert scores.mean() > 0.7
    pipeline.set_params(featureextractor__settings={**RANDOM_FEATURES, "image_size": 96})
    assert pipeline.fit(images, labels)[0].recipe_.image_size == 96


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda x, y: (np.stack([x] * 3, axis=-1), y), "shape \\(24, 64, 64, 3\\)"),
        (lambda x, y: (x.astype(np.float32), y), r"image 0: .* outside of \[0, 1\]"),
        (lambda x, y: (x.astype(np.int64), y), "int64; pass uint8"),
        (lambda x, y: (np.where(x > 150, np.nan, x / 255), y), "NaN"),
        (lambda x, y: (x, y * 0), "Only binary classification"),
        (lambda x, y: (x, np.arange(24) % 3), "Only binary classification"),
        (lambda x, y: (x, y[:-1]), "inconsistent numbers of samples"),
        (lambda x, y: (x, np.eye(24, dtype=int)[3]), "at least 2 patients"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(change: Callable, reason: str) -> None:
    images, labels = change(*chests(24))
    with pytest.raises(ValueError, match=reason):
        ps.PneumoscopeClassifier("model_1", settings=SETTINGS).fit(images, labels)


def test_settings_that_do_not_fit_are_refused() -> None:
    images, labels = chests(24)
    for settings, reason in (
        ({"speed": 9}, "'speed' is not a setting"),
        ({"class_balance": "acquisition"}, "needs a dataset of files"),
        ({"start": "runs/model_1"}, "needs a dataset of files"),
    ):
        with pytest.raises(RecipeError, match=reason):
            ps.PneumoscopeClassifier("model_1", settings=settings).fit(images, labels)
    with pytest.raises(RecipeError, match="no pretrained layers"):
        ps.FeatureExtractor("compact").fit(images)
    assert issubclass(ArrayError, ValueError)
