"""Tables, CSV and JSON of ``pneumoscope runs``."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.filesize import decimal
from rich.table import Table

from pneumoscope.cli.tables import format_two_lines
from pneumoscope.report.estimate import Estimate, format_number

if TYPE_CHECKING:
    from pneumoscope.training.runs.comparison import RunComparison, RunPair
    from pneumoscope.training.runs.listing import RunSummary


def runs_table(runs: "Sequence[RunSummary]") -> Table:
    """Return one row for each Run."""
    table = Table(caption="AUC on validation, with its 95 % interval")
    table.add_column("Run", overflow="fold")
    table.add_column("model\ndata")
    for heading in ("epochs", "AUC", "test\nreadings", "size\ndate"):
        table.add_column(heading, justify="right")
    for row in runs:
        if row.run is None:
            table.add_row(row.name, "cannot be read", "–", "–", "–", decimal(row.size))
            continue
        record = row.run.record
        table.add_row(
            row.name,
            f"{row.run.recipe.model}\n{record.manifest_fingerprint[:12]}"
            + ("\nsynthetic" if record.synthetic else ""),
            f"{row.epochs}\n{'finished' if record.finished else 'not finished'}",
            "–" if row.validation_auc is None else format_two_lines(row.validation_auc),
            str(row.test_readings),
            f"{decimal(row.size)}\n{record.created[:10]}",
        )
    return table


def runs_json(runs: "Sequence[RunSummary]") -> str:
    """Return the Runs as a JSON array."""
    return json.dumps([_run_object(run) for run in runs], indent=2)


def runs_csv(runs: "Sequence[RunSummary]") -> str:
    """Return the Runs as CSV, with the keys of `runs_json` as columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(_run_object(None)))
    writer.writeheader()
    writer.writerows(_run_object(run) for run in runs)
    return text.getvalue()


def _run_object(row: "RunSummary | None") -> dict[str, Any]:
    run = None if row is None else row.run
    record = None if run is None else run.record
    auc = (None if row is None else row.validation_auc) or Estimate(None)
    return {
        "run": row and row.name,
        "path": row and str(row.folder),
        "model": run and run.recipe.model,
        "manifest_fingerprint": record and record.manifest_fingerprint,
        "synthetic": record and record.synthetic,
        "epochs": row and row.epochs,
        "finished": record and record.finished,
        "validation_auc": auc.value,
        "validation_auc_low": auc.low,
        "validation_auc_high": auc.high,
        "test_readings": row and row.test_readings,
        "bytes": row and row.size,
        "created": record and record.created,
        "problem": row and row.problem,
    }


def run_comparison_tables(comparison: "RunComparison") -> Iterator[Table | str]:
    """Yield the settings that differ, the validation results, and the paired differences."""
    yield _settings_table(comparison) if comparison.settings else "The recipes have equal settings."
    yield _validation_table(comparison)
    if comparison.pairs:
        yield _pairs_table(comparison.pairs)
    else:
        yield "No two of these Runs are finished and have the same validation images."


def _settings_table(comparison: "RunComparison") -> Table:
    table = Table("setting", *comparison.names, title="Settings that differ")
    for name, values in comparison.settings.items():
        table.add_row(name, *("–" if value is None else str(value) for value in values))
    return table


def _validation_table(comparison: "RunComparison") -> Table:
    synthetic = any(run.record.synthetic for run in comparison.runs)
    table = Table(
        "metric",
        title="Validation" + (" (synthetic images)" if synthetic else ""),
        caption="Each Run at its own threshold, with 95 % intervals. Validation images also chose "
        "the epochs.",
    )
    for name in comparison.names:
        table.add_column(name, justify="right")
    records = [run.record for run in comparison.runs]
    table.add_row("data", *(record.manifest_fingerprint[:12] for record in records))
    table.add_row("threshold", *(f"{run.recipe.threshold:g}" for run in comparison.runs))
    known = [estimates for estimates in comparison.validation if estimates is not None]
    for metric in known[0] if known else ():
        table.add_row(
            metric,
            *(
                "not finished" if estimates is None else format_two_lines(estimates[metric])
                for estimates in comparison.validation
            ),
        )
    return table


def _pairs_table(pairs: "Sequence[RunPair]") -> Table:
    table = Table(
        "Runs",
        title="Paired differences on the same validation images, first minus second",
        caption="95 % intervals by patient where patients are known. p of the AUC by DeLong's "
        "test, of correct calls by McNemar's, corrected for the number of pairs (Holm).",
    )
    for heading in ("images", "AUC", "p", "sensitivity", "specificity", "p of calls"):
        table.add_column(heading, justify="right")
    for pair in pairs:
        tests = pair.tests
        table.add_row(
            f"{tests.first}\n– {tests.second}",
            f"{pair.images:,}",
            format_two_lines(tests.auc.difference),
            format_number(tests.auc_p_holm),
            format_two_lines(pair.rates["sensitivity"]),
            format_two_lines(pair.rates["specificity"]),
            format_number(tests.calls_p_holm),
        )
    return table


def comparison_json(comparison: "RunComparison") -> str:
    """Return a comparison as a JSON object."""
    content = {
        "runs": [
            {
                "run": name,
                "path": str(run.folder),
                "manifest_fingerprint": run.record.manifest_fingerprint,
                "synthetic": run.record.synthetic,
                "threshold": run.recipe.threshold,
                "settings": {key: values[row] for key, values in comparison.settings.items()},
                "validation": None
                if estimates is None
                else {metric: _estimate_object(value) for metric, value in estimates.items()},
            }
            for row, (name, run, estimates) in enumerate(
                zip(comparison.names, comparison.runs, comparison.validation, strict=True)
            )
        ],
        "differences": [
            {
                "first": pair.tests.first,
                "second": pair.tests.second,
                "images": pair.images,
                "auc": _estimate_object(pair.tests.auc.difference),
                "auc_p": pair.tests.auc_p_holm,
                **{name: _estimate_object(value) for name, value in pair.rates.items()},
                "calls_p": pair.tests.calls_p_holm,
            }
            for pair in comparison.pairs
        ],
    }
    return json.dumps(content, indent=2)


def _estimate_object(estimate: Estimate) -> dict[str, float | None]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}
