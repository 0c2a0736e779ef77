"""Estimators for scikit-learn: a classifier and a feature extractor for arrays of pixels."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from pneumoscope.support.errors import ArrayError, RecipeError
from pneumoscope.training.arrays import array_examples, pooled_features, train_on_arrays
from pneumoscope.training.history import TrainingHistory
from pneumoscope.training.initial_weights import build_initial_network, load_initial_weights
from pneumoscope.training.prediction import predict
from pneumoscope.training.recipe import make_recipe


class PneumoscopeClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # untyped
    """Classifier of radiographs by a network, trained as `train` does.

    A fifth of the images of each class is held out within `fit` as validation data, for early
    stopping and the learning rate.

    Parameters
    ----------
    model
        Name of the network; ``pneumoscope models`` lists them.
    settings
        Settings of the recipe, such as ``{"epochs": 5, "image_size": 128}``.
    random_state
        Random seed of the weights, the order of the images, and the draw of validation.

    Attributes
    ----------
    classes_
        Both labels, sorted; the second is the one that ``predict_proba`` ends with.
    recipe_
        Recipe of the training.
    network_
        Trained network.
    history_
        Metrics of each epoch; ``history_.to_frame()`` makes a data frame of them.

    Examples
    --------
    >>> images = np.random.default_rng(0).integers(0, 120, (40, 64, 64), dtype=np.uint8)
    >>> labels = np.repeat(["NORMAL", "PNEUMONIA"], 20)
    >>> images[20:, 20:40, 10:30] += 120
    >>> settings = {"image_size": 64, "epochs": 1, "precision": "float32"}
    >>> classifier = PneumoscopeClassifier("model_1", settings=settings).fit(images, labels)
    >>> classifier.predict_proba(images[:3]).shape
    (3, 2)
    """

    def __init__(
        self,
        model: str = "compact",
        *,
        settings: Mapping[str, Any] | None = None,
        random_state: int = 0,
    ) -> None:
        self.model = model
        self.settings = settings
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, groups: Sequence[Hashable] | None = None) -> Self:
        """Train the network.

        Parameters
        ----------
        X
            Grey values, shape (n, height, width), 0 = black: uint8, uint16, or floats in [0, 1].
        y
            Labels of two classes, shape (n,).
        groups
            Patient of each image, shape (n,); images of one patient stay together when validation
            is drawn. None, and NaN as in data frames, is a patient who is unknown; so are all
            without it. Their images are drawn one by one.

        Raises
        ------
        ArrayError
            If the images or labels cannot be used; it is also a ``ValueError``.
        RecipeError
            If a setting is unknown, out of range, or needs files.
        WeightsError
            If pretrained weights are needed and missing.
        """
        images = _to_array(X)
        if y is None:
            raise ArrayError("requires y to be passed, but the target y is None")
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        check_consistent_length(images, labels, groups)
        recipe = make_recipe(
            self.model, None, (), **{"seed": self.random_state, **(self.settings or {})}
        )
        classes, numbers = np.unique(labels, return_inverse=True)
        if len(classes) != 2:
            raise ArrayError(
                f"Only binary classification is supported, and y has {len(classes)} class"
                f"{'es' * (len(classes) != 1)}; pass labels of two classes"
            )
        _require_grey_images(images)
        patients = [None] * len(images) if groups is None else list(map(_name, groups))
        trainer = train_on_arrays(images, numbers.astype(np.int8), patients, recipe)
        self.classes_ = classes
        self.recipe_ = recipe
        self.network_ = trainer.result
        self.history_ = TrainingHistory(trainer.history)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probabilities of both classes, in the order of ``classes_``, shape (n, 2).

        They are not calibrated. Parameters and errors are those of `fit`.
        """
        check_is_fitted(self)
        examples = array_examples(_check_images(X), self.recipe_.preparation)
        probabilities = predict(self.network_, examples, self.recipe_.precision)
        return np.column_stack([1 - probabilities, probabilities])

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the label of each image, shape (n,): the second class from the threshold on."""
        is_positive = self.predict_proba(X)[:, 1] >= self.recipe_.threshold
        labels: NDArray[Any] = self.classes_[is_positive.astype(np.intp)]
        return labels

    def __sklearn_tags__(self) -> Any:
        tags = _accept_images(super().__sklearn_tags__())
        tags.classifier_tags.multi_class = False
        return tags


class FeatureExtractor(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]  # scikit-learn is untyped
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Transformer of radiographs into the features of a frozen pretrained network.

    A feature is the mean of a channel of the pretrained layers' output. Nothing is learnt from the
    images.

    Parameters
    ----------
    model
        Name of a network with pretrained layers, such as ``"efficientnet_lite0"``, ``"model_5"``
        (VGG16) or ``"hub"``.
    settings
        Settings of the recipe that concern the images and the weights, such as
        ``{"image_size": 128}`` or, for ``hub``, ``{"weights": "OWNER/NAME"}``.

    Attributes
    ----------
    recipe_
        Recipe with these settings.
    network_
        Network whose layers are used.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> settings = {"image_size": 64, "weights": "none"}  # random; leave weights out for ImageNet's
    >>> extractor = FeatureExtractor("efficientnet_lite0", settings=settings)
    >>> pipeline = make_pipeline(extractor, LogisticRegression())
    >>> images = np.random.default_rng(0).random((8, 64, 64), dtype=np.float32)
    >>> pipeline.fit(images, np.arange(8) % 2).predict(images[:2]).shape
    (2,)
    """

    def __init__(
        self, model: str = "efficientnet_lite0", *, settings: Mapping[str, Any] | None = None
    ) -> None:
        self.model = model
        self.settings = settings

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Load the network; the images are only checked, and ``y`` is ignored.

        Parameters
        ----------
        X
            Grey values, shape (n, height, width), 0 = black: uint8, uint16, or floats in [0, 1].
        y
            Ignored; it is there for pipelines.

        Raises
        ------
        ArrayError
            If the images cannot be used; it is also a ``ValueError``.
        RecipeError
            If the network has no pretrained layers, or a setting is unknown or out of range.
        WeightsError
            If the pretrained weights are missing.
        """
        images = _check_images(X)
        recipe = make_recipe(self.model, None, (), **(self.settings or {}))
        if recipe.spec.pretrained is None:
            raise RecipeError(
                f"model: {self.model} has no pretrained layers; choose efficientnet_lite0, model_5 "
                "or hub"
            )
        self.network_ = build_initial_network(recipe, load_initial_weights(recipe)).eval()
        self.recipe_ = recipe
        self._n_features_out = self.transform(images[:1]).shape[1]
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the features of images, shape (n, features); see `fit` for the images."""
        check_is_fitted(self)
        return pooled_features(self.network_, _check_images(X), self.recipe_)

    def __sklearn_tags__(self) -> Any:
        tags = _accept_images(super().__sklearn_tags__())
        tags.transformer_tags.preserves_dtype = []
        return tags


def _name(group: Hashable) -> str | None:
    try:
        is_unknown = group is None or bool(group != group)  # NaN differs from itself
    except TypeError:  # pandas' NA is neither equal to itself nor different
        is_unknown = True
    return None if is_unknown else str(group)


def _check_images(images: ArrayLike) -> NDArray[Any]:
    checked = _to_array(images)
    _require_grey_images(checked)
    return checked


def _to_array(images: ArrayLike) -> NDArray[Any]:
    checked: NDArray[Any] = check_array(
        images, dtype=None, ensure_2d=False, allow_nd=True, input_name="X"
    )
    return checked


def _require_grey_images(images: NDArray[Any]) -> None:
    if images.ndim != 3:
        raise ArrayError(
            f"X has the shape {images.shape}; pass grey images of shape (n, height, width), "
            "0 = black"
        )


def _accept_images(tags: Any) -> Any:
    tags.input_tags.two_d_array = False
    tags.input_tags.three_d_array = True
    return tags
