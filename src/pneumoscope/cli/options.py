"""Options that several commands share, and what they stand for."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pneumoscope.dataset import Manifest
    from pneumoscope.support.cache import ArrayCache


class SplitByOption(StrEnum):
    """What stays on one side when validation is split off."""

    patient = "patient"
    image = "image"


SourceArgument = Annotated[
    Path,
    typer.Argument(
        metavar="SOURCE",
        help="A folder (split/CLASS/* or CLASS/*), a table (CSV or Parquet with the columns file "
        "and label), or a manifest.",
    ),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(
        "--images", metavar="DIR", help="What the paths of a table or manifest are relative to."
    ),
]
SplitByChoice = Annotated[
    SplitByOption | None,
    typer.Option(
        "--split-by",
        help="What stays on one side when validation is split off: patient (default), or image as "
        "the notebook did it, which leaks.",
    ),
]
SplitSeedOption = Annotated[int, typer.Option("--seed", min=0, help="Of the split.")]
SeedOption = Annotated[
    int | None,
    typer.Option(
        "--seed",
        min=0,
        help="Of the split, initial weights and order of images; 0, or the recipe's, if not given.",
    ),
]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Stop at the first image that cannot be read.")
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting of the recipe, such as epochs=5 or augmentation.rotation=10; repeatable.",
    ),
]
RecipeOption = Annotated[
    Path | None,
    typer.Option("--recipe", metavar="YAML", help="A file with settings; --set goes before it."),
]
WeightsOption = Annotated[
    str | None,
    typer.Option(
        "--weights",
        metavar="imagenet|none|PATH|NAME",
        help="Of VGG16: imagenet (the default; downloaded once), none (random), or a file of Keras "
        "or torchvision. Of the model hub: its name on the Hugging Face hub, or a folder.",
    ),
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on from the last finished epoch of an earlier call.")
]
DryRunOption = Annotated[
    bool,
    typer.Option("--dry-run", help="Say how long it will take and how much memory, and stop."),
]


def open_source(
    source: Path, images: Path | None, split_by: SplitByOption | None, seed: int, strict: bool
) -> "Manifest":
    """Open a dataset as the options name it."""
    from pneumoscope.dataset import open_dataset
    from pneumoscope.dataset.manifest import SplitBy

    wanted = None if split_by is None else SplitBy(split_by.value)
    return open_dataset(source, images, wanted, seed, strict)


def open_cache() -> "ArrayCache":
    """Open the user's cache of prepared arrays."""
    from platformdirs import user_cache_path

    from pneumoscope.support.cache import ArrayCache

    return ArrayCache(user_cache_path("pneumoscope") / "arrays")
