"""Examples of the page on Python run, in order, on synthetic radiographs."""

import re
from pathlib import Path

import numpy as np
import pytest

from pneumoscope.dataset.phantoms.generate import generate_phantoms

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "use-from-python.md"
SMALL = "epochs=1, image_size=64, batch_size=16, precision='float32'"


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate_phantoms(tmp_path / "data" / "chest_xray", count=60, size=64)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.+?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    code = "\n".join(blocks)
    for settings, small in (
        ('"compact"', '"model_1"'),
        ("epochs=5", SMALL),
        ('{"epochs": 5}', f"dict({SMALL})"),
        ('"efficientnet_lite0"', "settings={'weights': 'none', 'image_size': 64}"),
        ("GroupKFold(3)", "GroupKFold(2)"),
    ):
        assert settings in code
        code = code.replace(settings, small)
    names: dict[str, object] = {}
    exec(compile(code, str(PAGE), "exec"), names)
    assert np.isfinite(names["scores"]).all()
    assert len(names["readings"]) == 20
