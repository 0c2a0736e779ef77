"""View of a Run in Jupyter notebooks: state, settings that matter, and metrics on validation."""

from pneumoscope.dataset import Split
from pneumoscope.report.estimate import format_number
from pneumoscope.report.jupyter import data_table, paragraph, view, warning
from pneumoscope.training.evaluate import is_evaluated, read_estimates
from pneumoscope.training.run import Run


def view_run(run: Run) -> str:
    """Return a Run as HTML, read from its folder; the test split is neither read nor shown."""
    record = run.record
    state = "finished" if record.finished else "not finished"
    if record.stopped_early:
        state += ", stopped early"
    parts = [
        paragraph(
            f"{state}; created {record.created}; seed {run.recipe.seed}; data "
            f"{record.manifest_fingerprint[:12]}; folder {run.folder}"
        )
    ]
    if record.synthetic:
        parts.append(warning("Trained on synthetic images: it says nothing about patients."))
    if is_evaluated(run, Split.VALIDATION):
        parts.append(_metrics_table(run))
    elif (run.folder / "history.csv").exists():
        parts.append(_epochs_table(run))
    return view(f"Run of {run.recipe.model}", *parts)


def _metrics_table(run: Run) -> str:
    rows = [
        [name.replace("_", " "), format_number(estimate.value), estimate.interval_text()]
        for name, estimate in read_estimates(run, Split.VALIDATION).items()
    ]
    return data_table(
        f"On validation, at the threshold {run.recipe.threshold:g}",
        ["Metric", "Value", "95 % interval"],
        rows,
    )


def _epochs_table(run: Run) -> str:
    history = run.history()
    rows = [
        [
            str(epoch.epoch),
            *map(format_number, (epoch.loss, epoch.val_loss, epoch.val_recall, epoch.val_auc)),
        ]
        for epoch in history[-_SHOWN_EPOCHS:]
    ]
    return data_table(
        f"Last epochs, of {run.recipe.epochs} at most",
        ["Epoch", "Loss", "Validation loss", "Validation recall", "Validation AUC"],
        rows,
    )


_SHOWN_EPOCHS = 5
