"""Training of one model into a Run directory, which survives interruption."""

import io
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import TextColumn

from pneumoscope.dataset import Split
from pneumoscope.models import PretrainedWeights, count_parameters
from pneumoscope.support.errors import RunError, RunInterruptedError
from pneumoscope.support.files import write_bytes
from pneumoscope.support.terminal import messages, progress_bar
from pneumoscope.training.continuation import open_to_continue, set_epochs
from pneumoscope.training.evaluate import write_evaluation
from pneumoscope.training.examples import Examples, ExampleStore
from pneumoscope.training.history import Epoch
from pneumoscope.training.initial_weights import (
    build_initial_network,
    load_initial_weights,
    require_no_leakage,
)
from pneumoscope.training.loggers import TrainingLogger, log_training
from pneumoscope.training.memory_estimate import require_memory
from pneumoscope.training.prediction import predict
from pneumoscope.training.recipe import ClassBalance, Recipe
from pneumoscope.training.run import Run
from pneumoscope.training.run_record import InitialWeightsRecord, ParameterRecord
from pneumoscope.training.trainer import Trainer, sampling_weights


def train(
    store: ExampleStore,
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool = False,
    loggers: Sequence[TrainingLogger] = (),
) -> Run:
    """Train a model into a Run directory.

    Parameters
    ----------
    store
        Examples of the dataset.
    recipe
        Settings of the training.
    folder
        Run directory; new, or, with ``resume``, of an earlier training.
    resume
        Whether to continue from the last finished epoch. The final weights are those of an
        uninterrupted training. A finished Run is returned as it is, unless the recipe has another
        number of epochs: then it is continued as if it had been asked for so many, and its
        evaluations are removed.
    loggers
        Tools that show the training as it goes on; a finished Run is not logged.

    Raises
    ------
    RecipeError
        If the training does not fit into memory, or starts from a Run that was trained on images
        of validation or test.
    RunError
        If the folder holds something else, or the training diverged or was interrupted.
    StorageError
        If the disk is full; the last finished epoch is kept.
    WeightsError
        If pretrained weights are needed and missing.
    """
    exists = resume and (folder / "run.json").exists()
    earlier_run = open_to_continue(folder, recipe, store.manifest) if exists else None
    if earlier_run is not None and earlier_run.is_finished(recipe):
        messages.print(f"{recipe.model}: finished before, in {folder}")
        return earlier_run
    images = sum(len(store.manifest.of(split)) for split in (Split.TRAIN, Split.VALIDATION))
    require_memory(recipe, images)
    weights = load_initial_weights(recipe)  # an error here leaves no folder behind
    require_no_leakage(weights, store.manifest)
    run = earlier_run or Run.create(folder, recipe, store.manifest)
    try:
        trainer = _build_trainer(store, recipe, weights)
        run = _record_network(run, trainer, weights)
        _restore_checkpoint(run, trainer)
        if run.recipe != recipe:  # now that nothing prevents it from going on
            if run.record.finished and trainer.schedule.stopped:  # no epoch is added
                return run.write_recipe(recipe).update_record(stopped_early=True)
            run = set_epochs(run, recipe)
        with log_training(loggers, run, store, trainer.history) as log_epoch:
            _run_epochs(run, trainer, log_epoch)
        return _finish(run, trainer)
    except KeyboardInterrupt as interrupt:
        run.log("interrupted")
        raise RunInterruptedError(
            f"{folder}: interrupted; finished epochs are kept. Run the same command with --resume "
            "to continue"
        ) from interrupt


def _build_trainer(
    store: ExampleStore, recipe: Recipe, weights: PretrainedWeights | None
) -> Trainer:
    network = build_initial_network(recipe, weights)
    train, validation = (
        store.examples(split, recipe, network.backbone) for split in (Split.TRAIN, Split.VALIDATION)
    )
    weights_of_images = _sampling_weights(store, train, recipe.class_balance)
    return Trainer(network, recipe, train, validation, weights_of_images)


def _sampling_weights(
    store: ExampleStore, train: Examples, balance: ClassBalance
) -> NDArray[np.float64] | None:
    """Return the relative frequency with which each training image is drawn."""
    if balance is not ClassBalance.ACQUISITION:
        return sampling_weights(train.labels, balance)
    # Importing scikit-learn is slow, and most recipes do not need it.
    from pneumoscope.training.acquisition_groups import acquisition_weights, describe_acquisitions

    acquisitions = describe_acquisitions(store.manifest, train.entries, store.cache)
    patients = [entry.group for entry in train.entries]
    return acquisition_weights(acquisitions, train.labels, patients)


def _record_network(run: Run, trainer: Trainer, weights: PretrainedWeights | None) -> Run:
    """Record the network's size and initial weights, or raise if a Run had other ones."""
    trainer.network.freeze(trainer.recipe.head_epochs >= trainer.recipe.epochs)
    count = count_parameters(trainer.network)
    values: dict[str, object] = {
        "parameters": ParameterRecord(total=count.total, trainable=count.trainable)
    }
    if weights is not None:
        recorded = run.record.initial_weights
        if (recorded is not None and recorded.digest != weights.digest) or (
            run.structure() not in (None, weights.structure)
        ):
            raise RunError(
                f"{run.folder}: was started from other pretrained weights than those that its "
                "recipe names now; restore them, or train again into another --out"
            )
        passes = [examples.pass_seconds for examples in (trainer.train, trainer.validation)]
        values["initial_weights"] = InitialWeightsRecord(
            origin=weights.origin,
            digest=weights.digest,
            pass_seconds=None if None in passes else sum(passes),
        )
        if weights.structure is not None:
            run.write_structure(weights.structure)
    return run.update_record(**values)


def _restore_checkpoint(run: Run, trainer: Trainer) -> None:
    path = run.checkpoint_path
    if not path.exists():
        return
    try:
        trainer.restore(torch.load(path, map_location=trainer.device, weights_only=True))
    except (
        RuntimeError,
        pickle.UnpicklingError,
        LookupError,
        ValueError,
        OSError,
        EOFError,
    ) as error:
        raise RunError(
            f"{path}: the checkpoint cannot be read ({error}); train again into another folder"
        ) from error
    run.log(f"resumed after epoch {len(trainer.history)}")
    if trainer.schedule.stopped:
        messages.print(f"{run.recipe.model}: early stopping ended it; no epoch is added")


def _run_epochs(run: Run, trainer: Trainer, log_epoch: Callable[[Epoch], None]) -> None:
    recipe = trainer.recipe
    batches = -(-len(trainer.train) // recipe.batch_size)
    columns = TextColumn("loss {task.fields[loss]}  val loss {task.fields[val_loss]}")
    with progress_bar(columns) as bar:
        task = bar.add_task(
            recipe.model,
            total=recipe.epochs * batches,
            completed=len(trainer.history) * batches,
            loss="-",
            val_loss="-",
        )

        def on_batches(number: int, loss: float) -> None:
            bar.update(task, advance=number, loss=f"{loss:.4f}")

        while not trainer.finished:
            try:
                epoch = trainer.run_epoch(on_batches)
            except RunError as error:
                raise RunError(f"{run.folder}, {error}") from error
            _write_checkpoint(run, trainer)
            log_epoch(epoch)
            line = _epoch_line(epoch, recipe)
            run.log(line)
            bar.console.print(line)
            bar.update(task, completed=epoch.epoch * batches, val_loss=f"{epoch.val_loss:.4f}")


def _write_checkpoint(run: Run, trainer: Trainer) -> None:
    # Through memory: PyTorch's own writer does not report that a disk is full.
    state = io.BytesIO()
    torch.save(trainer.state(), state)
    write_bytes(run.checkpoint_path, state.getbuffer())
    run.write_history(trainer.history)


def _finish(run: Run, trainer: Trainer) -> Run:
    run.write_history(trainer.history)
    run.write_weights(trainer.result.state_dict())
    probabilities = predict(trainer.result, trainer.validation, trainer.recipe.precision)
    predictions = trainer.validation.predictions(probabilities)
    write_evaluation(run, Split.VALIDATION, predictions)
    stopped = trainer.schedule.stopped and len(trainer.history) < trainer.recipe.epochs
    kept = trainer.kept_epoch
    run = run.update_record(finished=True, stopped_early=stopped, kept_epoch=kept)
    early = ", stopped early" if stopped else ""
    run.log(f"finished{early}; the weights after epoch {kept} are kept")
    return run


def _epoch_line(epoch: Epoch, recipe: Recipe) -> str:
    def show(value: float | None) -> str:
        return "  -   " if value is None else f"{value:.4f}"

    return (
        f"{recipe.model} epoch {epoch.epoch}/{recipe.epochs}  loss {epoch.loss:.4f}  "
        f"val loss {epoch.val_loss:.4f}  val precision {show(epoch.val_precision)}  "
        f"val recall {show(epoch.val_recall)}  learning rate {epoch.learning_rate:.2e}  "
        f"{epoch.seconds:.1f} s"
    )
