"""Verdict on shortcut learning, in words and by a stated rule."""

from pneumoscope.report.estimate import Estimate
from pneumoscope.validation.stress.shortcuts import Condition, ShortcutRow, ShortcutTable

SHORTCUT_AUC = 0.6
"""AUC without lungs above which, with its whole interval, there is a shortcut."""

MIN_IMAGES_PER_CLASS = 20
"""Lowest number of images of each class for a verdict."""


def shortcut_verdict(table: ShortcutTable) -> str:
    """Return in words whether the network relies on anything besides the lungs, and by which rule.

    A network that relies on the lungs alone has an AUC of 0.5 without them. With the lungs masked,
    or with only the border left, it relies on something else if the whole interval of the AUC is
    above `SHORTCUT_AUC`, may do so if the interval is above 0.5, and shows no sign of it otherwise.
    The AUC of the mask's outline is stated beside it, since it may be due to the shape of the
    lungs. There is no verdict if the unchanged images cannot be told apart either, with fewer than
    `MIN_IMAGES_PER_CLASS` images of a class, or for an AUC of exactly 0 or 1, whose interval has no
    width.
    """
    if min(table.positives, table.n - table.positives) < MIN_IMAGES_PER_CLASS:
        return (
            f"{table.n:,} images, {table.positives:,} of them with pneumonia: too few for a "
            "verdict on whether the network relies on anything besides the lungs. At least "
            f"{MIN_IMAGES_PER_CLASS} with and {MIN_IMAGES_PER_CLASS} without pneumonia are needed."
        )
    unchanged = table.row(Condition.UNCHANGED).auc
    if unchanged.low is None or unchanged.low <= 0.5:
        return (
            f"The AUC of the unchanged images is {unchanged}: the network cannot tell images with "
            "and without pneumonia apart here, so these images cannot show what it relies on "
            f"({table.n:,} images, {table.positives:,} of them with pneumonia)."
        )
    sentences = [
        _verdict_without_lungs(table.row(condition))
        for condition in (Condition.LUNGS_MASKED, Condition.BORDER_ONLY)
    ]
    outline = table.row(Condition.OUTLINE).auc
    if (_lower_bound(outline) or 0) > 0.5:
        sentences.append(
            f"The outline of the lung mask alone has an AUC of {outline}: a part of what remains "
            "with the lungs masked may be due to the shape of the lungs."
        )
    rule = (
        f"Rule: a shortcut where the whole 95 % interval is above {SHORTCUT_AUC}, perhaps one "
        f"where it is above 0.5; {table.n:,} images, {table.positives:,} of them with pneumonia."
    )
    return " ".join([*sentences, rule])


def _verdict_without_lungs(row: ShortcutRow) -> str:
    images = (
        "With the lungs masked"
        if row.condition is Condition.LUNGS_MASKED
        else "With only the border left"
    )
    low = _lower_bound(row.auc)
    verdict = (
        "no verdict, because the interval has no width"
        if low is None
        else "the network relies on something besides the lungs: a shortcut"
        if low > SHORTCUT_AUC
        else "the network may rely on something besides the lungs"
        if low > 0.5
        else "no sign that the network relies on anything besides the lungs"
    )
    return f"{images}, the AUC is {row.auc}: {verdict}."


def _lower_bound(auc: Estimate) -> float | None:
    """Return the lower end of an interval; None without an interval, or if it has no width."""
    return None if auc.low == auc.high else auc.low
