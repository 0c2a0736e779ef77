"""Initial weights: those of a pretrained network, or of another Run."""

from dataclasses import dataclass
from pathlib import Path

from pneumoscope.dataset import Manifest, Split
from pneumoscope.models import Network, PretrainedWeights, build_network
from pneumoscope.models.network import weights_digest
from pneumoscope.support.errors import RecipeError
from pneumoscope.training.recipe import Recipe
from pneumoscope.training.run import Run


@dataclass(frozen=True, kw_only=True)
class RunWeights(PretrainedWeights):
    """Weights of a finished Run, and the dataset that it was trained on."""

    manifest: Manifest


def load_initial_weights(recipe: Recipe) -> PretrainedWeights | None:
    """Load the weights that a recipe starts from; None if all weights start at random.

    Raises
    ------
    RecipeError
        If the Run to start from is of another model.
    RunError
        If the Run to start from is not finished, or no Run.
    WeightsError
        If pretrained weights are needed and missing.
    """
    if recipe.start is not None:
        return _weights_of_run(recipe, Run.open(Path(recipe.start)))
    return recipe.spec.load_weights(recipe.weights, recipe.seed)


def _weights_of_run(recipe: Recipe, run: Run) -> RunWeights:
    run.require_finished()
    if run.recipe.model != recipe.model:
        raise RecipeError(
            f"start: {run.folder} is a Run of {run.recipe.model}, not {recipe.model}; name one of "
            "the same model"
        )
    state = run.read_weights()
    data = run.record.manifest_fingerprint[:12]
    origin = f"a Run of {run.recipe.model}, seed {run.recipe.seed}, data {data}"
    if run.record.initial_weights is not None:
        origin = f"{origin}, started from {run.record.initial_weights.origin}"
    return RunWeights(
        state=state,
        origin=origin,
        digest=weights_digest(state),
        structure=run.structure(),
        manifest=run.manifest(),
    )


def require_no_leakage(weights: PretrainedWeights | None, manifest: Manifest) -> None:
    """Raise if the Run to start from has used images of validation or test.

    Raises
    ------
    RecipeError
        If an image of validation or test was among the Run's training images, or one of test among
        its validation images.
    """
    if not isinstance(weights, RunWeights):
        return
    trained, validated = (
        {entry.sha256 for entry in weights.manifest.of(split)}
        for split in (Split.TRAIN, Split.VALIDATION)
    )
    for split, used in ((Split.VALIDATION, trained), (Split.TEST, trained | validated)):
        for entry in manifest.of(split):
            if entry.sha256 in used:
                raise RecipeError(
                    f"start: {entry.path} is in the {split} split, and {weights.origin} has used "
                    "it in training; start from a Run of the same split"
                )


def build_initial_network(recipe: Recipe, weights: PretrainedWeights | None) -> Network:
    """Build a recipe's network with the weights of `load_initial_weights`.

    Raises
    ------
    RecipeError
        If the weights of a Run do not fit, such as those for images of another size.
    """
    structure = None if weights is None else weights.structure
    network = build_network(recipe.spec, recipe.image_size, recipe.seed, structure)
    if weights is None:
        return network
    try:
        weights.fill(network)
    except RuntimeError as error:
        if recipe.start is None:
            raise
        raise RecipeError(
            f"start: the weights of {recipe.start} do not fit images of {recipe.image_size} "
            "pixels; set image_size to that Run's"
        ) from error
    return network
