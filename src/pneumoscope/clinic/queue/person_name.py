"""Comparison of person names: DICOM's value representation PN, and names in plain text.

A name has up to three groups, one for each script, and each group five components: family name,
given name, middle name, prefix and suffix (PS3.5, 6.2.1). Plain text has no components: its words
may be meant either way round, unless a comma ends the family name.

Two names may be of one person unless a script in which both are written tells them apart. There:

- Family names agree if one has all the words of the other: Garcia, Garcia Lopez.
- So do given names. An initial stands for a name in the same place, but never for a family name,
  and never alone: J. Smith may be John Smith, but not Sam Jones.
- A letter with a mark agrees with the plain letter and with its transliteration, but these do not
  agree with each other: Müller is written Muller or Mueller, but Joe is not Jo.
- Junior is not senior. Titles do not count.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_PLAIN = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i"}
)
"""Letters that Unicode does not decompose into a letter and a mark."""

_FULL = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "ð": "dh"})
"""Transliterations of letters, as in Mueller for Müller."""

_HIRAGANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}
"""Katakana, which write the same syllables."""

_APOSTROPHES = str.maketrans(dict.fromkeys("'’‘ʼʻ`´"))

_TITLES = {"dr", "prof", "mr", "mrs", "ms", "miss"}

_GENERATIONS = {"jr": "ii", "junior": "ii", "ii": "ii", "sr": "i", "senior": "i", "iii": "iii"}

_FIRST_SYLLABLE = "\u1100"
"""First character of the scripts whose characters are syllables or words, not initials."""


@dataclass(frozen=True, slots=True)
class _Word:
    """Word of a name, with its marks left out and transliterated."""

    plain: str
    full: str

    @property
    def is_initial(self) -> bool:
        return len(self.plain) == 1 and self.plain < _FIRST_SYLLABLE

    def equals(self, other: "_Word") -> bool:
        return bool({self.plain, self.full} & {other.plain, other.full})

    def abbreviates(self, other: "_Word") -> bool:
        """Return whether one of two words is the other's initial."""
        return (self.is_initial or other.is_initial) and self.plain[0] == other.plain[0]


_Words = tuple[_Word, ...]


@dataclass(frozen=True, slots=True)
class _Parts:
    """Family name and given names, as far as they are known."""

    family: _Words
    given: _Words

    def agree_with(self, other: "_Parts") -> bool:
        known = bool(self.family and other.family)
        if known and not _agree(self.family, other.family, self, other, initials=False):
            return False
        if not self.given or not other.given:
            return known
        if not _agree(self.given, other.given, self, other, initials=True):
            return False
        return known or any(
            word.equals(name) and not word.is_initial for word in self.given for name in other.given
        )


@dataclass(frozen=True, slots=True)
class _Group:
    """Name in one script, in each way in which it may be meant."""

    scripts: frozenset[str]
    ways: tuple[_Parts, ...]
    generations: frozenset[str]

    def agrees_with(self, other: "_Group") -> bool:
        if self.generations and other.generations and self.generations != other.generations:
            return False
        return any(way.agree_with(parts) for way in self.ways for parts in other.ways)


def names_agree(first: str | None, second: str | None) -> bool:
    """Return whether two names may be those of one person; unknown names contradict nothing.

    Names in different scripts cannot be compared.

    Examples
    --------
    >>> names_agree("Müller^Änne", "anne mueller"), names_agree("Müller^Änne", "Möller^Änne")
    (True, False)
    >>> names_agree("Yamada^Tarou=山田^太郎", "山田^太郎"), names_agree("Yamada^Tarou", "山田^太郎")
    (True, True)
    """
    return all(group.agrees_with(other) for group, other in _comparable_groups(first, second))


def are_comparable(first: str | None, second: str | None) -> bool:
    """Return whether two names are both known, and written in one script.

    Examples
    --------
    >>> are_comparable("Yamada^Tarou", "Yamada^Hanako"), are_comparable("Yamada^Tarou", "山田^太郎")
    (True, False)
    """
    return any(True for _ in _comparable_groups(first, second))


def _comparable_groups(first: str | None, second: str | None) -> Iterator[tuple[_Group, _Group]]:
    for group in _groups(first):
        for other in _groups(second):
            if group.scripts == other.scripts:
                yield group, other


def _groups(name: str | None) -> Iterator[_Group]:
    for text in (name or "").split("="):
        components = [component for component in text.split("^")[:3] if _words(component)]
        if not components:
            continue
        extra = _words(" ".join(text.split("^")[3:]))
        if len(components) > 1:
            family, *given = text.split("^")[:3]
            ways = _both_ways(_words(family), _words(" ".join(given)))
        else:
            ways = _plain_ways(components[0])
            extra += _words(components[0])
        generations = {_GENERATIONS[word.plain] for word in extra if word.plain in _GENERATIONS}
        yield _Group(_scripts(text), ways, frozenset(generations))


def _both_ways(family: _Words, given: _Words) -> tuple[_Parts, ...]:
    """Return the parts of a name as stated, and interchanged, unless one is an initial."""
    stated, interchanged = _Parts(family, given), _Parts(given, family)
    return (
        (stated,) if any(word.is_initial for word in (*family, *given)) else (stated, interchanged)
    )


def _plain_ways(text: str) -> tuple[_Parts, ...]:
    """Return the ways in which plain text may be meant; no initial is a family name."""
    family, _, given = text.partition(",")
    if _names(given):
        return (_Parts(_names(family), _names(given)),)
    names = _names(text) or _words(text)
    parts = [(names[:place], names[place:]) for place in range(len(names) + 1)]
    ways = [_Parts(*pair) for split in parts for pair in (split, split[::-1])]
    return tuple(way for way in ways if not any(word.is_initial for word in way.family))


def _agree(
    first: _Words, second: _Words, of_first: _Parts, of_second: _Parts, *, initials: bool
) -> bool:
    """Return whether one of two parts of names has all the words of the other.

    A name that lacks its other part may not have more words, some of which may be that part.
    """
    if _joined(first).equals(_joined(second)):
        return True  # Van der Berg, Vanderberg
    return (_is_within(first, second, initials) and _is_complete(of_second)) or (
        _is_within(second, first, initials) and _is_complete(of_first)
    )


def _is_complete(parts: _Parts) -> bool:
    return bool(parts.family and parts.given)


def _is_within(words: _Words, others: _Words, initials: bool) -> bool:
    return len(words) <= len(others) and all(
        any(word.equals(other) for other in others)
        or (initials and word.abbreviates(others[place]))
        for place, word in enumerate(words)
    )


def _joined(words: Sequence[_Word]) -> _Word:
    return _Word("".join(word.plain for word in words), "".join(word.full for word in words))


def _names(text: str) -> _Words:
    """Return the words of plain text that are names."""
    return tuple(
        word
        for word in _words(text)
        if word.plain not in _TITLES and word.plain not in _GENERATIONS
    )


def _words(text: str) -> _Words:
    """Return the words of a text without case and punctuation."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    letters = "".join(
        letter if letter.isalnum() or unicodedata.category(letter)[0] == "M" else " "
        for letter in folded.translate(_APOSTROPHES).translate(_HIRAGANA)
    )
    return tuple(
        _Word(_unmarked(word), _unmarked(word.translate(_FULL))) for word in letters.split()
    )


def _unmarked(word: str) -> str:
    """Return a word without the marks of Latin letters; in other scripts they are letters."""
    plain, after_latin = "", False
    for letter in unicodedata.normalize("NFD", word.translate(_PLAIN)):
        if unicodedata.combining(letter):
            plain += "" if after_latin else letter
        else:
            plain, after_latin = plain + letter, letter.isascii()
    return unicodedata.normalize("NFC", plain)


def _scripts(text: str) -> frozenset[str]:
    """Return the scripts of a text, by the first words of its letters' names in Unicode.

    Kana beside ideographs are of the same group of a name, and signs such as the long vowel's are
    of no script of their own.
    """
    words = "".join(word.plain for word in _words(text))
    names = (unicodedata.name(letter, "").split(" ")[0] for letter in words if letter.isalpha())
    scripts = {"CJK" if name == "IDEOGRAPHIC" else name for name in names}
    return frozenset({"CJK"} if "CJK" in scripts else scripts - {"KATAKANA-HIRAGANA", "MODIFIER"})
