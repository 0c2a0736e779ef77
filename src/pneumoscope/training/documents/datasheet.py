"""A datasheet of the data that a Run learned from, filled in from its manifest."""

from collections import defaultdict
from collections.abc import Iterator

from pneumoscope.dataset import Split
from pneumoscope.training.documents.run_facts import RunFacts

_UNKNOWN = "*not recorded: fill in*"


def datasheet(facts: RunFacts) -> str:
    """Return the datasheet in Markdown; what the manifest cannot tell is left to be filled in.

    References
    ----------
    Gebru et al., "Datasheets for Datasets", Communications of the ACM 64(12), 86-92, 2021.
    """
    lines = [f"# Datasheet: manifest {facts.manifest.fingerprint[:12]}"]
    if facts.manifest.synthetic:
        lines += ["", "**Synthetic images: they show no patient.**"]
    for section, questions in _sections(facts).items():
        lines += ["", f"## {section}"]
        for question, answer in questions:
            lines += ["", f"**{question}** {answer or _UNKNOWN}"]
    return "\n".join(lines) + "\n"


def _sections(facts: RunFacts) -> dict[str, list[tuple[str, str | None]]]:
    generated = "By the program, which drew them." if facts.manifest.synthetic else None
    return {
        "Motivation": [
            ("For what purpose was the dataset made?", None),
            ("Who made it, and who paid for it?", None),
        ],
        "Composition": list(_composition(facts)),
        "Collection": [
            ("How were the images acquired, and with what machines?", generated),
            ("Who collected them, over what time, and where?", None),
            ("Was there an ethical review, and did patients consent?", None),
        ],
        "Preprocessing and labelling": [
            ("Was anything cleaned or removed?", _set_aside(facts)),
            ("Who labelled the images, and by what standard?", None),
            ("Are the raw images kept?", "They are read where they lie and never changed."),
        ],
        "Uses": [
            ("What was it used for here?", _use(facts)),
            ("What else could it be used for, and what should it not be used for?", None),
        ],
        "Distribution": [
            ("Under what licence may it be used and passed on?", None),
            ("How is it distributed?", None),
        ],
        "Maintenance": [
            ("Who maintains it, and how are errors reported?", None),
            ("How is this version told from others?", _version(facts)),
        ],
    }


def _composition(facts: RunFacts) -> Iterator[tuple[str, str | None]]:
    manifest = facts.manifest
    yield "What are the instances?", "Chest radiographs, each labelled NORMAL or PNEUMONIA."
    yield (
        "How many are there?",
        f"{len(manifest.entries):,} images, {len(manifest.in_use):,} of them in use. "
        + "; ".join(map(facts.split_in_words, Split))
        + ".",
    )
    yield "Is it a sample of something larger?", None
    yield "What subgroups are known?", _subgroups(facts)
    yield (
        "Is information missing?",
        f"{facts.patients_unknown:,} images in use name no patient.",
    )
    yield "Are there recommended splits?", _splits(facts)
    yield "Are there errors or redundancies?", _duplicates(facts)
    yield "Can persons be identified?", None


def _subgroups(facts: RunFacts) -> str | None:
    counts: dict[str, int] = defaultdict(int)
    for entry in facts.manifest.in_use:
        if entry.subtype is not None:
            counts[entry.subtype] += 1
    parts = [f"{name}: {number:,} images" for name, number in sorted(counts.items())]
    if facts.columns:
        parts.append(f"further columns of the table: {', '.join(facts.columns)}")
    return "; ".join(parts) + "." if parts else None


def _splits(facts: RunFacts) -> str:
    shared = facts.shared_patients(Split.TRAIN, Split.VALIDATION)
    return (
        f"Train, validation and test as counted above; validation was split from train by "
        f"{facts.manifest.split_by}, seed {facts.manifest.seed}; {shared:,} patients have images "
        "in both."
    )


def _duplicates(facts: RunFacts) -> str:
    groups = defaultdict(list)
    for entry in facts.manifest.in_use:
        if entry.pixel_hash is not None:
            groups[entry.pixel_hash].append(entry)
    same = [group for group in groups.values() if len(group) > 1]
    splits = sum(len({entry.split for entry in group}) > 1 for group in same)
    labels = sum(len({entry.label for entry in group}) > 1 for group in same)
    return (
        f"{len(same):,} groups of images with the same pixels; {splits:,} across splits, "
        f"{labels:,} with contradicting labels."
    )


def _set_aside(facts: RunFacts) -> str:
    aside = len(facts.manifest.set_aside)
    if not aside:
        return "No image was set aside."
    return f"{aside:,} images were set aside as unusable ({facts.reasons})."


def _use(facts: RunFacts) -> str:
    return f"To train {facts.run.recipe.model}, on {facts.run.record.created}."


def _version(facts: RunFacts) -> str:
    return (
        f"By the fingerprint of files, labels, patients and splits: `{facts.manifest.fingerprint}`."
    )
