import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

from pneumoscope.evaluation.report.experiment_page import GalleryImage, render_experiment
from pneumoscope.evaluation.report.published_notebook import PUBLISHED_COUNTS
from pneumoscope.report.estimate import Estimate
from pneumoscope.report.html import figure_png

HOSTILE = "<script>alert('x')</script>&\"" + "long" * 60 + ".png"
PICTURE = figure_png(Figure(figsize=(0.2, 0.2)), dpi=20)


class Links(HTMLParser):
    """Collects whatever a page would fetch, and the elements it consists of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.elements: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href", "srcset")]


def text_of(page: str) -> str:
    """Return what a page says, without its elements and with single spaces."""
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.S))


@pytest.fixture(scope="module")
def test_table(table):
    labels = [1, 1, 1, 1, 0, 0]
    files = [HOSTILE, "b.png", "c.png", "d.png", "e.png", "f.png"]
    patients = ["one", "one", "two", "three", "four", "five"]
    return table(labels, [0.2, 0.1, 0.9, 0.8, 0.7, 0.3], patients, files)


@pytest.fixture(scope="module")
def page(experiment, test_table):
    result = experiment(test_table)
    result = replace(result, notes=("VGG16 began with <random> weights.",))
    rivals = {"the notebook's model": (Estimate(0.75), Estimate(0.5))}
    return render_experiment(result, [GalleryImage(HOSTILE, 0.2, PICTURE)], [], rivals)


def test_the_page_loads_nothing(page):
    links = Links(page)
    assert links.sources
    assert all(source.startswith("data:image/png;base64,") for source in links.sources)
    assert "script" not in links.elements
    assert "link" not in links.elements
    assert not re.search(r"url\(|@import|https?://", page)


def test_names_and_notes_from_outside_are_escaped(page):
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&#34;longlong" in page
    assert "VGG16 began with &lt;random&gt; weights." in page


def test_the_summary_says_what_was_missed_and_what_was_called_ill(page):
    text = text_of(page)
    assert "On the 6 test radiographs (5 patients), none" in text
    assert "of 4 radiographs with pneumonia it missed 2 (50.0 %)" in text
    assert "in 1 of 3 patients with pneumonia" in text
    assert "of 2 normal radiographs it called 1 (50.0 %) ill" in text
    assert re.search(r"sensitivity \(recall\) of 0\.500 \(0\.\d+ to 1\.000\)", text)
    assert "the stated rule" in text


def test_the_lists_name_every_error_though_the_gallery_shows_fewer(page):
    text = text_of(page)
    assert "False negatives (2)" in text
    assert "1 is shown; the list names all 2." in text
    assert "0.100 b.png" in text
    assert "False positives (1)" in text
    assert "0.700 e.png" in text


def test_the_order_of_the_sections(page):
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings == [
        "The notebook's rule: model_1 at 0.5",
        "Results on the test radiographs",
        "Results on the validation radiographs, on which the model was chosen",
        "Consequences for 1,000 patients",
        "Comparison with the notebook",
        "Each model",
        "Errors of model_1 on the test radiographs",
        "Data",
        "Methods",
    ]


def test_the_methods_are_stated(page):
    text = text_of(page)
    assert "from 50 resamples" in text
    assert "A probability of at least 0.5 is called PNEUMONIA" in text
    assert "Fingerprint of the data: f00d" in text


def test_the_notebooks_table_stands_beside_ours_with_a_caveat(page):
    text = text_of(page)
    assert "model_5 chosen by the notebook 0.803 0.763 0.992 – – –" in text
    assert "model_1 chosen here 0.728 0.699 0.992 0.500 0.667 0.500" in text
    assert "Not the same data. The numbers of images differ" in text


def test_on_the_notebooks_data_its_printed_losses_stand_beside_ours(experiment, test_table):
    result = experiment(test_table)
    data = replace(result.data, counts=PUBLISHED_COUNTS, synthetic=False)
    text = text_of(render_experiment(replace(result, data=data), [], []))
    assert "Epoch Training Validation Validation, notebook&#39;s 1 " in text
    # model_1's log, in whose third and last epoch the notebook printed 0.0784
    assert re.search(r" 3 \S+ \S+ 0\.0784 ", text)
    assert "printed 0.142 after its first and 0.078 after its last epoch, 3." in text


def test_every_figure_of_a_model_has_its_data(page):
    text = text_of(page)
    # By hand: 0.9, 0.8 ill; 0.7 healthy; 0.3 healthy; 0.2, 0.1 ill.
    assert (
        "Data: ROC curve of model_1, test False positive rate Recall 0.000 0.000 0.000 0.250 "
        "0.000 0.500 0.500 0.500 1.000 0.500 1.000 0.750 1.000 1.000"
    ) in text
    assert (
        "Data: Precision-recall curve of model_1, test Recall Precision 0.000 1.000 0.250 1.000 "
        "0.500 1.000 0.500 0.667 0.500 0.500 0.750 0.600 1.000 0.667"
    ) in text
    assert "Data: Loss of model_1 by epoch Epoch Training Validation 1 " in text
    assert (
        "Data: Confusion matrix of model_1, test Label Called NORMAL Called PNEUMONIA "
        "NORMAL 1 1 PNEUMONIA 2 2"
    ) in text


def test_the_consequences_stand_beside_those_of_rivals(page):
    text = text_of(page)
    # Of 1,000 patients 200 are ill: the rival finds 150 and calls 400 of 800 healthy ones ill.
    assert "model_1: of 1,000 patients, 20 % with pneumonia" in text
    assert "refer everyone 200 0 1000 0 800" in text
    assert "the notebook's model 150 50 550 450 400" in text.replace("&#39;", "'")


def test_real_patients_split_by_patient_need_no_warning(page):
    assert "Synthetic phantoms" not in page
    assert "Split by image" not in page


def test_phantoms_and_a_leaking_split_are_announced(experiment, test_table):
    result = experiment(test_table, synthetic=True, split_by="image")
    text = text_of(render_experiment(result, [], []))
    assert "Synthetic phantoms, not patients." in text
    assert "Split by image." in text
    assert "These are phantoms; the two tables" in text


def test_a_choice_below_the_lowest_recall_is_announced(experiment, test_table):
    result = experiment(test_table)
    result = replace(result, choice=replace(result.choice, qualified=False))
    assert "No model has the lowest acceptable recall" in text_of(render_experiment(result, [], []))


def test_without_errors_the_page_says_none(experiment, table):
    page = text_of(render_experiment(experiment(table([0, 1], [0.1, 0.9])), [], []))
    assert "None: it called every test radiograph with pneumonia PNEUMONIA." in page
    assert "None: it called every normal test radiograph NORMAL." in page


def test_undefined_metrics_are_dashes(experiment, table):
    text = text_of(render_experiment(experiment(table([0, 0], [0.1, 0.2])), [], []))
    assert "sensitivity (recall) of undefined" in text
    assert "there was no radiograph with pneumonia to miss" in text
    assert "nan" not in text.lower().split()
    assert "None" not in text.replace("None: it called", "")
