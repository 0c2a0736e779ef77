import pytest

from pneumoscope.radiograph.window import VoiFunction, Window

from .dicom_objects import computed_radiograph

WINDOW = {"WindowCenter": 2000, "WindowWidth": 1000}


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("linear_exact ", VoiFunction.LINEAR_EXACT),
        ("SIGMOID", VoiFunction.SIGMOID),
        ("", VoiFunction.LINEAR),
        ("UNHEARD_OF", VoiFunction.LINEAR),
    ],
)
def test_the_function_is_linear_by_default(name: str, function: VoiFunction) -> None:
    dataset = computed_radiograph(**WINDOW, VOILUTFunction=name)
    assert Window.all_of(dataset) == (Window(2000, 1000, function),)


@pytest.mark.parametrize(
    ("function", "edges"), [("LINEAR", (1500, 2499)), ("LINEAR_EXACT", (1500, 2500))]
)
def test_edges(function: str, edges: tuple[float, float]) -> None:
    assert Window(2000, 1000, VoiFunction(function)).edges == edges


@pytest.mark.parametrize(
    "attributes",
    [
        {"WindowCenter": 2000},
        {"WindowWidth": 1000},
        {"WindowCenter": None, "WindowWidth": None},
        {"WindowCenter": "", "WindowWidth": ""},
        {"WindowCenter": 2000, "WindowWidth": None},
        {"WindowCenter": [], "WindowWidth": 1000},
        WINDOW | {"WindowWidth": 0, "VOILUTFunction": "LINEAR_EXACT"},
        WINDOW | {"WindowWidth": -1, "VOILUTFunction": "SIGMOID"},
        WINDOW | {"WindowWidth": 0.5},
        WINDOW | {"WindowCenter": "nan"},
        WINDOW | {"WindowWidth": "inf"},
    ],
)
def test_missing_and_impossible_windows_are_none(attributes: dict[str, object]) -> None:
    assert Window.all_of(computed_radiograph(**attributes)) == ()


def test_several_windows_keep_their_order() -> None:
    dataset = computed_radiograph(WindowCenter=[2000, 1000, 3], WindowWidth=[1000, 400])
    assert Window.all_of(dataset) == (Window(2000, 1000), Window(1000, 400))
