"""Plugins: functions of other packages, found and named in errors."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pneumoscope.support.errors import PluginError
from pneumoscope.support.plugins import find_plugin, installed_plugins

GROUP = "pneumoscope.metrics"


def load(name: str) -> Callable:
    plugin = find_plugin(GROUP, name)
    assert plugin is not None
    return plugin.load()


def test_a_function_is_found_by_its_installed_name_and_by_its_module(install: Callable) -> None:
    source = "class Rates:\n    @staticmethod\n    def share(labels): return sum(labels)\n"
    file = install(
        "lab-rates", "1.2", "lab_rates", source, metrics={"rate": "lab_rates:Rates.share"}
    )
    assert [plugin.name for plugin in installed_plugins(GROUP)] == ["rate"]
    for name in ("rate", "lab_rates:Rates.share"):
        plugin = find_plugin(GROUP, name)
        assert plugin.load()([1, 0, 1]) == 2
        origin = plugin.source()
        assert str(origin) == "lab_rates:Rates.share of lab-rates 1.2"
        expected = hashlib.sha256(f"{file.name}\0{len(source)}\0{source}".encode()).hexdigest()
        assert origin.digest == expected
    assert find_plugin(GROUP, "share") is None


def test_the_digest_is_of_every_file_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "lab_tools" / "inner"
    inner.mkdir(parents=True)
    (inner.parent / "__init__.py").touch()
    (inner / "metric.py").write_text("def share(labels): return 1\n")
    helper = inner.parent / "helper.py"
    helper.write_text("a = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugin = find_plugin(GROUP, "lab_tools.inner.metric:share")
    before = plugin.source()
    assert before.distribution is None
    assert plugin.source() == before
    helper.write_text("a = 2\n")
    assert plugin.source().digest != before.digest
    for name in [name for name in sys.modules if name.startswith("lab_tools")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lab_rates", None),
        ("lab_rates:", "not MODULE:FUNCTION; write it like"),
        ("lab-rates:share", "not MODULE:FUNCTION"),
        ("lab_rate:share", "there is no module lab_rate; install the package that holds it"),
        ("lab_rates.inner:share", r"there is no module lab_rates\.inner; install"),
        ("lab_rates:shares", "the module lab_rates has no shares; correct the name"),
        ("lab_rates:number", "number is a int, not a function"),
        ("lab_needs:share", "lab_needs needs the module lab_missing, which is not installed"),
        ("lab_broken:share", r"importing lab_broken failed \(ZeroDivisionError: division by zero"),
    ],
)
def test_what_cannot_be_used_is_named(install: Callable, name: str, message: str | None) -> None:
    install("lab-rates", "1.2", "lab_rates", "number = 1\ndef share(labels): return 1\n")
    install("lab-needs", "1.2", "lab_needs", "import lab_missing\n")
    install("lab-broken", "1.2", "lab_broken", "1 / 0\n")
    if message is None:
        assert find_plugin(GROUP, name) is None
        return
    with pytest.raises(PluginError, match=f"^{name}: {message}"):
        load(name)


def test_a_name_that_two_packages_offer_is_refused(install: Callable) -> None:
    for number in (1, 2):
        module = f"lab_{number}"
        install(f"lab-{number}", "1.0", module, "", metrics={"rate": f"{module}:share"})
    with pytest.raises(PluginError, match=r"rate: several .*lab_1:share and lab_2:share"):
        find_plugin(GROUP, "rate")
