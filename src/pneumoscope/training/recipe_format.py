"""Format of a recipe's YAML: its version, and the conversion of older versions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pneumoscope.support.errors import RecipeError

FORMAT = 2
"""Version of the format; a file without a version is of format 1 or written by hand."""

RENAMED_SETTINGS: Mapping[str, str] = {
    "augmentation.tones": "augmentation.histogram_matching",
    "augmentation.border": "augmentation.border_blank",
    "augmentation.frame": "augmentation.border_swap",
    "augmentation.erase": "augmentation.random_erasing",
    "augmentation.mix": "augmentation.mixup",
    "one_cycle.rise": "one_cycle.warmup",
}
"""Names of format 1 and their names in format 2."""

RENAMED_VALUES: Mapping[str, Mapping[str, str]] = {"class_balance": {"machines": "acquisition"}}
"""Values of format 1 and their names in format 2, by setting."""


def read_settings(path: Path) -> dict[str, Any]:
    """Read the settings of a recipe's file under their current names.

    Raises
    ------
    RecipeError
        If the file cannot be read, is not YAML, holds no settings, or is of a newer format.
    """
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(
            f"{path}: cannot be read ({error.strerror}); check the path of the recipe"
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"{path}: cannot be read as YAML ({error}); correct the file") from error
    if not isinstance(settings, dict):
        raise RecipeError(f"{path}: not a recipe; write lines such as 'epochs: 5'")
    version = settings.pop("format", 1)
    if version == FORMAT:
        return settings
    if version == 1:
        return convert_settings(settings)
    raise RecipeError(
        f"{path}: a recipe of format {version}, and this pneumoscope reads formats 1 and {FORMAT}; "
        "use a newer pneumoscope"
    )


def convert_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of format 1 under their current names.

    Examples
    --------
    >>> convert_settings({"augmentation": {"erase": 2}, "class_balance": "machines"})
    {'augmentation': {'random_erasing': 2}, 'class_balance': 'acquisition'}
    """
    return {name: _convert(name, value) for name, value in settings.items()}


def _convert(setting: str, value: Any) -> Any:
    if isinstance(value, str):
        return RENAMED_VALUES.get(setting, {}).get(value, value)
    if not isinstance(value, Mapping):
        return value
    converted = {}
    for name, inner in value.items():
        new = RENAMED_SETTINGS.get(f"{setting}.{name}", "").rpartition(".")[2]
        converted[new if new and new not in value else name] = inner
    return converted


def new_name(setting: str, value: object) -> str | None:
    """Return a hint at the new name of an old setting or value; None if it is neither.

    Examples
    --------
    >>> new_name("augmentation.erase", 2)
    "'augmentation.erase' is now called 'augmentation.random_erasing'; use that name"
    >>> new_name("class_balance", "machines")
    "class_balance: 'machines' is now called 'acquisition'; use that value"
    """
    if setting in RENAMED_SETTINGS:
        return f"'{setting}' is now called '{RENAMED_SETTINGS[setting]}'; use that name"
    values = RENAMED_VALUES.get(setting, {})
    if isinstance(value, str) and value in values:
        return f"{setting}: '{value}' is now called '{values[value]}'; use that value"
    return None
