import pytest

from pneumoscope.radiograph.window import VoiFunction, Window

from .test_dicom import computed_radiograph

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
    assert Window.of(dataset) == Window(2000, 1000, function)


@pytest.mark.parametrize(
    ("function", "edges"), [("LINEAR", (1500, 2499)), ("LINEAR_EXACT", (1500, 2500))]
)
def test_edges(function: str, edges: tuple[float, float]) -> None:
    assert Window(2000, 1000, VoiFunction(function)).edges == edges


def test_an_object_without_a_window_has_none() -> None:
    assert Window.of(computed_radiograph(WindowCenter=2000)) is None


@pytest.mark.parametrize(
    ("width", "function"), [(0, "LINEAR_EXACT"), (-1, "SIGMOID"), (0.5, "LINEAR")]
)
def test_a_window_that_is_too_narrow_is_refused(width: float, function: str) -> None:
    dataset = computed_radiograph(WindowCenter=2000, WindowWidth=width, VOILUTFunction=function)
    with pytest.raises(ValueError, match="a window of width"):
        Window.of(dataset)


def test_an_empty_window_is_refused() -> None:
    dataset = computed_radiograph(WindowCenter="", WindowWidth="")
    with pytest.raises(ValueError, match="could not convert"):
        Window.of(dataset)
