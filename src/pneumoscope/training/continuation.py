"""Continuation of a Run: after an interruption, or with another number of epochs."""

import shutil
from pathlib import Path

from pneumoscope.dataset import Manifest
from pneumoscope.support.errors import RunError
from pneumoscope.training.recipe import Recipe
from pneumoscope.training.run import Run


def open_to_continue(folder: Path, recipe: Recipe, manifest: Manifest) -> Run:
    """Open a Run whose training a recipe continues; the recipe may have other epochs.

    Raises
    ------
    RunError
        If it was started with other settings than these, apart from the number of epochs, or on
        other data, or cannot be continued to this number of epochs.
    """
    run = Run.open(folder)
    run.require_same_lung_finder()
    run.require_same_network()
    changed = [
        name
        for name in type(recipe).model_fields
        if getattr(run.recipe, name) != getattr(recipe, name)
    ]
    if changed == ["epochs"]:
        _require_state(run, recipe)
    elif changed:
        raise RunError(
            f"{folder}: was started with another recipe ({', '.join(changed)} differ), and only "
            "epochs may change; use the settings of its recipe.yaml, or another --name or --out"
        )
    if run.record.manifest_fingerprint != manifest.fingerprint:
        raise RunError(
            f"{folder}: was started on other data or another split; pass the same dataset with the "
            f"same options, or {folder / 'manifest.parquet'} itself"
        )
    return run


def _require_state(run: Run, recipe: Recipe) -> None:
    """Raise if the Run's last state does not lead to the recipe's number of epochs."""
    if recipe.one_cycle is not None:
        raise RunError(
            f"{run.folder}: its one_cycle schedule was planned for {run.recipe.epochs} epochs, so "
            f"{recipe.epochs} are no continuation; train anew with another --name, from the start "
            f"or from its weights (--set start={run.folder})"
        )
    done = len(run.history()) if run.history_path.exists() else 0
    if recipe.epochs < done:
        raise RunError(
            f"{run.folder}: has {done} finished epochs already, more than epochs={recipe.epochs}; "
            "ask for more, or train anew with another --name"
        )
    if done and not run.checkpoint_path.exists():
        raise RunError(
            f"{run.checkpoint_path}: missing, so the training cannot be continued (versions up to "
            "0.2.0 removed it at the end); restore it, or train anew with another --name"
        )


def set_epochs(run: Run, recipe: Recipe) -> Run:
    """Return a Run that goes on to the recipe's number of epochs, without results so far.

    Weights, predictions, metrics and figures of the shorter training are removed. The record of
    readings of the test split stays.
    """
    run.log(f"epochs changed from {run.recipe.epochs} to {recipe.epochs}")
    run = run.update_record(finished=False, stopped_early=False, kept_epoch=None)
    for name in ("metrics", "predictions", "figures"):  # metrics mark a complete evaluation
        if (run.folder / name).exists():
            shutil.rmtree(run.folder / name)
    run.weights_path.unlink(missing_ok=True)
    return run.write_recipe(recipe)
