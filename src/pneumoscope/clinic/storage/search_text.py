"""Searched text of a study, folded alike for every database.

Databases differ in what they take for the same letter: SQLite ignores case in ASCII only,
PostgreSQL as its locale says. So the text is stored with each study as Python folds it.
"""

import unicodedata

_SEPARATORS = str.maketrans("^,=", "   ")
"""Separators of the parts of a name, in DICOM and in the page, which searches ignore."""


def fold_text(*texts: str | None) -> str:
    r"""Return texts as one, without case and separators of names, as they are stored and searched.

    Examples
    --------
    >>> fold_text("Kim^Tiny", None, "A-1") == fold_text("KIM, Tiny a-1")
    True
    >>> fold_text("ÅSA^GRÖN=\uff21") == fold_text("åsa grön a")
    True
    """
    text = unicodedata.normalize("NFKC", " ".join(filter(None, texts)))
    folded = unicodedata.normalize("NFKC", text.casefold())
    return " ".join(folded.translate(_SEPARATORS).split())
