"""What a network begins with that was trained before: VGG16, one of the hub, or another Run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from pneumoscope.dataset import Manifest, Split
from pneumoscope.models import Network, build_network, find_model
from pneumoscope.models.hub import Pretrained, load_pretrained
from pneumoscope.models.network import weights_digest
from pneumoscope.models.vgg16 import Backbone, load_vgg16
from pneumoscope.support.errors import RecipeError
from pneumoscope.training.recipe import Recipe
from pneumoscope.training.run import Run


@dataclass(frozen=True)
class Begun:
    """The weights of a finished Run.

    Parameters
    ----------
    state
        Of the whole network.
    origin
        In words, for reports.
    digest
        SHA-256 of the weights' values.
    manifest
        What the Run learned from.
    """

    state: Mapping[str, Tensor]
    origin: str
    digest: str
    manifest: Manifest


Start = Backbone | Pretrained | Begun


def load_start(recipe: Recipe) -> Start | None:
    """Load what the recipe asks to begin with; None if all weights are drawn.

    Raises
    ------
    RecipeError
        If the Run to begin with is of another model, or the model has pretrained layers anyway.
    RunError
        If it is no finished Run.
    WeightsError
        If weights of VGG16 or of the hub are needed and missing.
    """
    spec = find_model(recipe.model)
    if recipe.start is not None:
        if spec.on_vgg16 or spec.on_hub:
            raise RecipeError(
                f"start: {recipe.model} has pretrained layers of its own; leave start out"
            )
        return _from_run(recipe, Run.open(Path(recipe.start)))
    if spec.on_vgg16:
        return load_vgg16(recipe.weights, recipe.seed)
    return load_pretrained(recipe.weights) if spec.on_hub else None


def _from_run(recipe: Recipe, run: Run) -> Begun:
    run.require_finished()
    if run.recipe.model != recipe.model:
        raise RecipeError(
            f"start: {run.folder} is a Run of {run.recipe.model}, not {recipe.model}; name one of "
            "the same model"
        )
    state = run.read_weights()
    data = run.record.manifest_fingerprint[:12]
    origin = f"a Run of {run.recipe.model}, seed {run.recipe.seed}, data {data}"
    return Begun(state, origin, weights_digest(state), run.manifest())


def require_unseen(start: Start | None, manifest: Manifest) -> None:
    """Refuse to begin with a Run that has seen what is to be judged.

    Raises
    ------
    RecipeError
        If it learned from an image of validation or test, or was watched on one of test.
    """
    if not isinstance(start, Begun):
        return
    seen = {entry.sha256 for entry in start.manifest.of(Split.TRAIN)}
    watched = {entry.sha256 for entry in start.manifest.of(Split.VALIDATION)}
    for split, known in ((Split.VALIDATION, seen), (Split.TEST, seen | watched)):
        for entry in manifest.of(split):
            if entry.sha256 in known:
                raise RecipeError(
                    f"start: {entry.path} is in the {split} split, and {start.origin} has seen it "
                    "in training; begin with a Run of the same split"
                )


def started_network(recipe: Recipe, start: Start | None) -> Network:
    """Build a recipe's network and give it what it begins with.

    Raises
    ------
    RecipeError
        If the weights do not fit, as of a network for images of another size.
    """
    network = build_network(
        find_model(recipe.model),
        recipe.image_size,
        recipe.seed,
        start.layers if isinstance(start, Backbone) else None,
        start.structure if isinstance(start, Pretrained) else None,
    )
    if isinstance(start, Pretrained):
        start.fill(network.head)
    if isinstance(start, Begun):
        try:
            network.load_state_dict(start.state)
        except RuntimeError as error:
            raise RecipeError(
                f"start: the weights of {recipe.start} do not fit images of {recipe.image_size} "
                "pixels; set image_size to that Run's"
            ) from error
    return network
