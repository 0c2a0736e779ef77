"""Viewer in a real browser: it shows the radiograph that it names."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pneumoscope.radiograph import read_radiograph

from .conftest import ADMINISTRATOR, PATIENTS, Drive, FilledClinic


def compare(screenshot: Path, radiograph: Path, *, mirrored: bool = False) -> float:
    """Return the correlation of what the viewer shows with a radiograph, fitted into its middle."""
    shown = Image.open(screenshot).convert("L")
    pixels = read_radiograph(radiograph).pixels
    share = min(shown.width / pixels.shape[1], shown.height / pixels.shape[0])
    width, height = (round(side * share) for side in pixels.shape[::-1])
    left, top = (shown.width - width) // 2, (shown.height - height) // 2
    middle = shown.crop((left, top, left + width, top + height)).resize((64, 64))
    expected = Image.fromarray((pixels * 255).astype(np.uint8)).resize((64, 64))
    if mirrored:
        expected = ImageOps.mirror(expected)
    return float(np.corrcoef(np.asarray(middle).ravel(), np.asarray(expected).ravel())[0, 1])


def test_radiographs_are_viewed_with_heat_maps_and_priors(
    address: str, filled_clinic: FilledClinic, tmp_path: Path, drive: Drive
) -> None:
    screenshots = {name: tmp_path / f"{name}.png" for name in ("plain", "inverted", "flipped")}
    results = drive(
        "viewer",
        address,
        ["turned", "study", "compared"],
        administrator=ADMINISTRATOR,
        patient=PATIENTS[0][0],
        images={name: str(path) for name, path in screenshots.items()},
    )
    assert results["coloured"] > 100, results["legend"]
    assert "not where the disease is" in results["legend"]
    radiograph = filled_clinic.radiographs / results["caption"].split(" · ")[0]
    assert compare(screenshots["plain"], radiograph) > 0.98
    assert compare(screenshots["inverted"], radiograph) < -0.98
    assert compare(screenshots["flipped"], radiograph, mirrored=True) > 0.98
