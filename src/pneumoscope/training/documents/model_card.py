"""The model card of a Run, in Mitchell's sections, from what the Run recorded."""

from collections.abc import Iterator

from pneumoscope.dataset import Split
from pneumoscope.training.documents.claim_answers import ANSWERS
from pneumoscope.training.documents.run_facts import RunFacts

_UNKNOWN = "*not recorded: fill in*"
_DETAILS = {"Model": 22, "Initial weights": 24, "Training": 25, "Images": 9, "Software": 23}
"""What the checklist's answers say of the model, by their numbers."""


def run_card(facts: RunFacts) -> str:
    """Return the card in Markdown; what no Run records is left to be filled in.

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
        yield "**Learned from synthetic images; it says nothing about patients.**"
        yield ""
    yield "## Model details"
    yield ""
    yield f"- Made: {run.record.created}"
    yield from (f"- {name}: {ANSWERS[number](facts)}" for name, number in _DETAILS.items())
    yield f"- Licence and contact: {_UNKNOWN}"
    yield from ("", "## Intended use", "", _UNKNOWN)
    yield from ("", "## Factors", "")
    columns = ", ".join(facts.columns)
    yield f"Subgroups that the data could tell apart: {columns or _UNKNOWN}"
    yield from ("", "## Metrics", "")
    yield f"Recorded: {ANSWERS[28](facts) or 'none'}. Threshold: {run.recipe.threshold:g}."
    yield f"Intervals: {ANSWERS[29](facts) or 'none'}."
    yield from ("", "## Evaluation data", "")
    yield f"{facts.split_in_words(Split.TEST)}. Test split read {facts.test_readings} times."
    yield from ("", "## Training data", "")
    yield "; ".join(map(facts.split_in_words, (Split.TRAIN, Split.VALIDATION))) + "."
    yield f"Fingerprint `{facts.manifest.fingerprint}`; more in DATASHEET.md."
    yield from ("", "## Quantitative analyses", "")
    yield from _table(facts)
    yield from ("", "## Ethical considerations", "", _UNKNOWN)
    yield from ("", "## Caveats and recommendations", "")
    yield "It holds for images like these; other places need a validation of their own."


def _table(facts: RunFacts) -> Iterator[str]:
    if not facts.judged:
        yield "The Run was not judged."
        return
    names = next(iter(facts.judged.values())).figures
    yield f"| split | n | {' | '.join(name.replace('_', ' ') for name in names)} |"
    yield "| --- " * (2 + len(names)) + "|"
    for split, judged in facts.judged.items():
        cells = " | ".join(str(judged.figures[name]) for name in names)
        yield f"| {split} | {judged.n:,} | {cells} |"
