"""CLAIM 2024 checklist of a Run, filled in from its records."""

from collections.abc import Iterator

from pneumoscope.training.documents.claim_answers import ANSWERS
from pneumoscope.training.documents.claim_items import ITEMS, Item
from pneumoscope.training.documents.run_facts import RunFacts


def claim_checklist(facts: RunFacts) -> str:
    """Return the checklist in Markdown.

    Each item states what the Run recorded and what a person still has to write; items without a
    record are marked as missing. The items are summarised, not quoted.

    References
    ----------
    Tejani et al., "Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024
    Update", Radiology: Artificial Intelligence 6(4), e240300, 2024.
    """
    return "\n".join(_lines(facts)) + "\n"


def _lines(facts: RunFacts) -> Iterator[str]:
    answers = {item.number: ANSWERS[item.number](facts) for item in ITEMS if item.number in ANSWERS}
    answered = {number: text for number, text in answers.items() if text}
    missing = [item.number for item in ITEMS if item.number not in answered]
    yield f"# CLAIM 2024 checklist: {facts.run.recipe.model}"
    yield ""
    if facts.run.record.synthetic:
        yield "**Synthetic images: the results say nothing about patients.**"
        yield ""
    yield (
        f"Filled in from the Run of {facts.run.record.created} on the manifest "
        f"`{facts.manifest.fingerprint}`. Of {len(ITEMS)} items, the Run has records for "
        f"{len(answered)} and none for {len(missing)}: {', '.join(map(str, missing))}."
    )
    yield ""
    yield (
        "The items are summaries; the published checklist is authoritative (Tejani et al., "
        "Radiology: Artificial Intelligence 2024; 6(4): e240300)."
    )
    section = None
    for item in ITEMS:
        if item.section != section:
            section = item.section
            yield from ("", f"## {section}")
        yield ""
        yield from _item(item, answered.get(item.number))


def _item(item: Item, answer: str | None) -> Iterator[str]:
    yield f"**{item.number}. {item.request}**"
    yield ""
    if answer is None:
        yield f"- Missing: {item.to_write}"
        return
    yield f"- Recorded: {answer}"
    if item.to_write:
        yield f"- Still to write: {item.to_write}"
