"""Documents of a Run: model card, datasheet and reporting checklist."""

from pathlib import Path

from pneumoscope.support.files import write_text
from pneumoscope.training.documents.claim import claim_checklist
from pneumoscope.training.documents.datasheet import datasheet
from pneumoscope.training.documents.model_card import run_card
from pneumoscope.training.documents.run_facts import RunFacts
from pneumoscope.training.run import Run


def write_documents(run: Run, folder: Path) -> None:
    """Write ``MODEL_CARD.md``, ``DATASHEET.md`` and ``CLAIM.md`` of a finished Run into a folder.

    They state what the Run recorded and nothing else, and name what a person has to add.

    Raises
    ------
    RunError
        If the Run is not finished or damaged.
    StorageError
        If they cannot be written.
    """
    facts = RunFacts.of(run)
    write_text(folder / "MODEL_CARD.md", run_card(facts))
    write_text(folder / "DATASHEET.md", datasheet(facts))
    write_text(folder / "CLAIM.md", claim_checklist(facts))
