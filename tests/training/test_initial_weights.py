"""Trainings that start from the weights of another Run."""

from pathlib import Path

import pytest
import torch

from pneumoscope.dataset import open_dataset
from pneumoscope.models.network import weights_digest
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import RecipeError, RunError
from pneumoscope.training import ExampleStore, Run, make_recipe, train
from pneumoscope.training.initial_weights import build_initial_network, load_initial_weights
from pneumoscope.training.recipe import Recipe
from pneumoscope.training.run_record import InitialWeightsRecord
from pneumoscope.training.search import SearchPlan


def recipe(run: Run, model: str = "compact", *settings: str) -> Recipe:
    quick = [f"start={run.folder}", "image_size=64", "precision=float32"]
    return make_recipe(model, assignments=[*quick, *settings])


def test_the_initial_weights_are_the_run_s(compact_run: Run) -> None:
    started = recipe(compact_run)
    state = build_initial_network(started, load_initial_weights(started)).state_dict()
    expected = compact_run.read_weights()
    assert state.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in state.items())


def test_a_training_of_tiny_steps_ends_with_the_run_s_weights(
    compact_run: Run, phantom_dataset: Path, tmp_path: Path
) -> None:
    store = ExampleStore(open_dataset(phantom_dataset), ArrayCache(tmp_path / "cache"))
    still = ["epochs=1", "learning_rate=1e-12", "weight_average=0"]
    run = train(store, recipe(compact_run, "compact", *still), tmp_path / "run")
    ended, expected = run.read_weights(), compact_run.read_weights()
    learned = [name for name in ended if "running_" not in name and "num_batches" not in name]
    assert all(torch.allclose(ended[name], expected[name], atol=1e-8) for name in learned)
    assert run.record.initial_weights.origin.startswith("a Run of compact, seed 1, data ")
    assert run.record.initial_weights.digest == weights_digest(expected)


def test_a_pretrained_network_starts_from_a_run_too(compact_run: Run, tmp_path: Path) -> None:
    """The Run's weights are all that is needed; what it started from stays part of the origin."""
    words = ["weights=none", "image_size=64"]
    begun = make_recipe("efficientnet_lite0", assignments=words)
    initial = load_initial_weights(begun)
    network = build_initial_network(begun, initial)
    run = Run.create(tmp_path / "run", begun, compact_run.manifest())
    run.write_weights(network.state_dict())
    record = InitialWeightsRecord(origin=initial.origin, digest=initial.digest, pass_seconds=None)
    run = run.update_record(finished=True, initial_weights=record)
    started = recipe(run, begun.model, "weights=nowhere", "seed=1")
    loaded = load_initial_weights(started)
    assert loaded.origin.startswith("a Run of efficientnet_lite0, seed 0, data ")
    assert loaded.origin.endswith(f", started from {initial.origin}")
    state = build_initial_network(started, loaded).state_dict()
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_runs_that_do_not_match_are_refused(compact_run: Run, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="a Run of compact, not densenet121"):
        load_initial_weights(recipe(compact_run, "densenet121"))
    with pytest.raises(RecipeError, match="model_7 has frozen layers"):
        load_initial_weights(recipe(compact_run, "model_7"))
    with pytest.raises(RunError, match="cannot be read"):
        load_initial_weights(make_recipe("compact", assignments=[f"start={tmp_path}"]))
    unfinished = Run.create(tmp_path / "run", recipe(compact_run), compact_run.manifest())
    with pytest.raises(RunError, match="has not finished"):
        load_initial_weights(recipe(unfinished))


def test_weights_for_images_of_another_size_are_refused(
    small_dataset: Path, tmp_path: Path
) -> None:
    store = ExampleStore(open_dataset(small_dataset), ArrayCache(tmp_path / "cache"))
    quick = make_recipe("model_1", assignments=["image_size=64", "epochs=1"])
    run = train(store, quick, tmp_path / "run")
    larger = make_recipe("model_1", assignments=[f"start={run.folder}", "image_size=96"])
    with pytest.raises(RecipeError, match="set image_size to that Run's"):
        build_initial_network(larger, load_initial_weights(larger))


def test_a_run_trained_on_validation_images_is_refused(
    compact_run: Run, phantom_dataset: Path, tmp_path: Path
) -> None:
    other = open_dataset(phantom_dataset, seed=7)  # validation is drawn anew
    store = ExampleStore(other, ArrayCache(tmp_path / "cache"))
    with pytest.raises(RecipeError, match=r"is in the validation split.*has used it in training"):
        train(store, recipe(compact_run), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_search_does_not_start_from_a_run(compact_run: Run) -> None:
    with pytest.raises(RecipeError, match="--set start"):
        SearchPlan(("compact",), (f"start={compact_run.folder}",)).validate()
