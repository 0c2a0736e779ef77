"""Tables of lung masks of the project's data: children of the notebook's dataset, and adults."""

import argparse
import csv
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from pneumoscope.dataset import open_dataset
from pneumoscope.support.tables import read_table

COLUMNS = ("file", "mask", "patient", "split")


def write_mask_tables(data: Path, out: Path, seed: int = 0) -> list[Path]:
    """Write the table of the children's masks and that of the adults', and return their paths.

    The children's splits are those of training with this seed, grouped by patient; the adults have
    none.

    Parameters
    ----------
    data
        Folder with ``chest_xray`` and ``lung_masks``.
    out
        Folder to write the tables to.
    """
    out.mkdir(parents=True, exist_ok=True)
    tables = out / "children.csv", out / "adults.csv"
    _write(tables[0], _children(data.resolve(), seed))
    _write(tables[1], _adults(data.resolve()))
    return list(tables)


def _children(data: Path, seed: int) -> Iterable[Mapping[str, str]]:
    entries = {entry.path: entry for entry in open_dataset(data / "chest_xray", seed=seed).in_use}
    for row in read_table(data / "lung_masks" / "chest_xray.csv", ("file",)):
        file = row.cells["file"]
        if entry := entries.get(file.removeprefix("chest_xray/")):
            assert entry.split is not None
            mask = (data / "lung_masks" / file).with_suffix(".png")
            yield {
                "file": str(data / file),
                "mask": str(mask),
                "patient": f"{entry.label.name} {entry.group}",
                "split": entry.split.value,
            }


def _adults(data: Path) -> Iterable[Mapping[str, str]]:
    folder = data / "lung_masks" / "adults"
    for row in read_table(folder.parent / "adults.csv", ("file", "patient")):
        image = folder / "images" / row.cells["file"]
        yield {
            "file": str(image),
            "mask": str(folder / "masks" / f"{image.stem}.png"),
            "patient": row.cells["patient"],
            "split": "",
        }


def _write(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def draw_masks(folder: Path, count: int = 6) -> list[Path]:
    """Draw chests with masks of their lungs, and return tables like those of `write_mask_tables`.

    They show no patient: two dark ellipses on a brighter body.
    """
    rng = np.random.default_rng(0)
    tables = []
    for name, splits in (("children", ("train", "validation", "test")), ("adults", ("",))):
        rows = []
        for split, label, number in product(splits, ("NORMAL", "PNEUMONIA"), range(count)):
            image = folder / name / (split or "all") / label / f"{number}.png"
            mask = image.with_suffix(".mask.png")
            _draw_chest(image, mask, rng)
            patient = f"{label} {number // 2}"
            rows.append({"file": str(image), "mask": str(mask), "patient": patient, "split": split})
        tables.append(folder / f"{name}.csv")
        _write(tables[-1], rows)
    return tables


def _draw_chest(image: Path, mask: Path, rng: np.random.Generator) -> None:
    image.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[:96, :96] / 96
    middle, radius = 0.5 + 0.05 * rng.uniform(-1, 1), rng.uniform(0.24, 0.32)
    lungs = np.zeros((96, 96), np.bool_)
    for centre in (middle - 0.2, middle + 0.2):
        lungs |= ((rows - 0.5) / radius) ** 2 + ((columns - centre) / 0.12) ** 2 < 1
    greys = np.where(lungs, 0.3, 0.7) + rng.normal(0, 0.02, lungs.shape)
    Image.fromarray(np.rint(greys.clip(0, 1) * 255).astype(np.uint8)).save(image)
    Image.fromarray(lungs.astype(np.uint8) * 255).save(mask)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with chest_xray and lung_masks")
    parser.add_argument("out", type=Path, help="folder to write the tables to")
    arguments = parser.parse_args()
    for table in write_mask_tables(arguments.data, arguments.out):
        print(table)


if __name__ == "__main__":
    main()
