"""Model card of a Run, filled in from its records."""

from collections.abc import Iterator

from pneumoscope.dataset import Split
from pneumoscope.training.documents.claim_answers import ANSWERS
from pneumoscope.training.documents.run_facts import RunFacts

_UNKNOWN = "*not recorded: fill in*"
_DETAILS = {
    "Model": 22,
    "Initial weights": 24,
    "Training": 25,
    "Kept weights": 26,
    "Images": 9,
    "Software": 23,
}
"""Numbers of the checklist's items whose answers describe the model."""


def run_card(facts: RunFacts) -> str:
    """Return the model card in Markdown, with blanks for facts that no Run records.

    References
    ----------
    Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
    """
    return "\n".join(_lines(facts)) + "\n"


def _lines(facts: RunFacts) -> Iterator[str]:
    run = facts.run
    yield f"# Model card: {run.recipe.model}"
    yield ""
    if run.record.synthetic:
        yield "**Trained on synthetic images; says nothing about patients.**"
        yield ""
    yield "## Model details"
    yield ""
    yield f"- Created: {run.record.created}"
    yield from (f"- {name}: {ANSWERS[number](facts)}" for name, number in _DETAILS.items())
    yield f"- Licence and contact: {_UNKNOWN}"
    yield from ("", "## Intended use", "", _UNKNOWN)
    yield from ("", "## Factors", "")
    columns = ", ".join(facts.columns)
    yield f"Columns of the dataset that define subgroups: {columns or _UNKNOWN}"
    yield from ("", "## Metrics", "")
    yield f"Recorded: {ANSWERS[28](facts) or 'none'}. Threshold: {run.recipe.threshold:g}."
    yield f"Intervals: {ANSWERS[29](facts) or 'none'}."
    yield from ("", "## Evaluation data", "")
    yield f"{facts.describe_split(Split.TEST)}. Test split read {facts.test_readings} times."
    yield from ("", "## Training data", "")
    yield "; ".join(map(facts.describe_split, (Split.TRAIN, Split.VALIDATION))) + "."
    yield f"Fingerprint `{facts.manifest.fingerprint}`; more in DATASHEET.md."
    yield from ("", "## Quantitative analyses", "")
    yield from _table(facts)
    yield from ("", "## Ethical considerations", "", _UNKNOWN)
    yield from ("", "## Caveats and recommendations", "")
    yield "Valid for images like these; validate it locally before use on others."


def _table(facts: RunFacts) -> Iterator[str]:
    if not facts.evaluations:
        yield "The Run was not evaluated."
        return
    names = next(iter(facts.evaluations.values())).estimates
    yield f"| split | n | {' | '.join(name.replace('_', ' ') for name in names)} |"
    yield "| --- " * (2 + len(names)) + "|"
    for split, evaluation in facts.evaluations.items():
        cells = " | ".join(str(evaluation.estimates[name]) for name in names)
        yield f"| {split} | {evaluation.n:,} | {cells} |"
