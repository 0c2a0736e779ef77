import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

from pneumoscope.evaluation.model_evaluation import Subject, evaluate_model
from pneumoscope.evaluation.report.experiment_page import render_experiment
from pneumoscope.evaluation.report.experiment_results import History, Layer
from pneumoscope.evaluation.report.published_notebook import PUBLISHED_COUNTS
from pneumoscope.evaluation.report.views import ErrorsView
from pneumoscope.report.estimate import Estimate
from pneumoscope.report.gallery import GalleryImage
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


def render(result, errors=(), rivals=None) -> str:
    """Render an experiment as its workflow does, with few resamples."""
    test, evaluation = result.leading.test.predictions, None
    if len(set(test.labels.tolist())) == 2:
        points = {"own threshold": result.leading_threshold, "threshold 0.5": 0.5}
        subject = Subject(result.leading.name, "the test split", test, points)
        evaluation = evaluate_model(subject, draws=50)
    return render_experiment(result, evaluation, errors, rivals or {})


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch):
    """Do not draw but for `page`, as these tests read the text."""
    for name in ("views", "experiment_page"):
        module = f"pneumoscope.evaluation.report.{name}"
        monkeypatch.setattr(f"{module}.figure_png", lambda *_, **__: PICTURE)


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
    images = [GalleryImage(HOSTILE, 0.2, PICTURE)]
    errors = [
        ErrorsView.of("false_negatives", "model_1", images, [("b.png", 0.1)]),
        ErrorsView.of("false_positives", "model_1", [], [("e.png", 0.7)]),
    ]
    return render(result, errors, rivals)


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


def test_errors_beyond_the_size_limit_are_in_a_folded_table(page):
    text = text_of(page)
    assert "False negatives: 2" in text
    assert "1 of them are shown" in text
    assert "have at most 4 MB together" in text
    assert re.search(r"<details.*?b\.png.*?0\.100.*?</details>", page, re.DOTALL)
    assert "False positives: 1" in text
    assert "e.png 0.700" in text


def test_the_order_of_the_sections(page):
    headings = re.findall(r"<h2>(.*?)(?: <small|</h2>)", page)
    assert headings == [
        "Conclusion",
        "Model comparison",
        "model_1 on the test radiographs, in detail",
        "Training",
        "Comparison with the notebook",
        "Data",
        "Methods",
    ]


def test_the_methods_are_stated(page):
    text = text_of(page)
    assert "95 % interval: percentile bootstrap by patient, 50 resamples" in text
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
    text = text_of(render(replace(result, data=data)))
    assert "Epoch Training Validation Validation, notebook&#39;s 1 " in text
    # model_1's log, in whose third and last epoch the notebook printed 0.0784
    assert re.search(r" 3 \S+ \S+ 0\.0784 ", text)
    assert "printed 0.142 after its first and 0.078 after its last epoch, 3." in text


def test_every_figure_of_a_model_has_its_data(page):
    text = text_of(page)
    # By hand: 0.9, 0.8 ill; 0.7 healthy; 0.3 healthy; 0.2, 0.1 ill.
    assert (
        "Data: ROC curve of model_1 at 0.5, test "
        "False positive rate Recall 0.000 0.000 0.000 0.250 "
        "0.000 0.500 0.500 0.500 1.000 0.500 1.000 0.750 1.000 1.000"
    ) in text
    assert (
        "Data: Precision-recall curve of model_1 at 0.5, test "
        "Recall Precision 0.000 1.000 0.250 1.000 "
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
    assert "combined from those of sensitivity and specificity (MOVER) by patient" in text
    assert "refer everyone 200 0 1000 0 800" in text
    assert "the notebook's model 150 50 550 450 400" in text.replace("&#39;", "'")


def test_real_patients_split_by_patient_need_no_warning(page):
    assert "Synthetic phantoms" not in page
    assert "Split by image" not in page


def test_phantoms_and_a_leaking_split_are_announced(experiment, test_table):
    result = experiment(test_table, synthetic=True, split_by="image")
    text = text_of(render(result))
    assert "Synthetic phantoms, not patients." in text
    assert "Split by image." in text
    assert "These are phantoms; the two tables" in text


def test_a_choice_below_the_lowest_recall_is_announced(experiment, test_table):
    result = experiment(test_table)
    result = replace(result, choice=replace(result.choice, qualified=False))
    assert "No model has the lowest acceptable recall" in text_of(render(result))


def test_without_errors_the_page_says_none(experiment, table):
    kinds = ("false_negatives", "false_positives")
    errors = [ErrorsView.of(kind, "it", [], []) for kind in kinds]
    page = text_of(render(experiment(table([0, 1], [0.1, 0.9])), errors))
    assert "None: it called every radiograph with pneumonia PNEUMONIA." in page
    assert "None: it called every radiograph without pneumonia NORMAL." in page


def test_undefined_metrics_are_dashes(experiment, table):
    text = text_of(render(experiment(table([0, 0], [0.1, 0.2]))))
    assert "sensitivity (recall) of undefined" in text
    assert "there was no radiograph with pneumonia to miss" in text
    assert "nan" not in text.lower().split()
    assert "None" not in text.replace("None: it called", "")


def with_history(experiment, test_table, loss, val_loss) -> str:
    result = experiment(test_table)
    epochs = tuple(range(1, len(loss) + 1))
    model = replace(result.models[0], history=History(epochs, loss, val_loss))
    return text_of(render(replace(result, models=(model,))))


def test_overfitting_is_remarked_only_where_the_losses_show_it(experiment, test_table):
    both = with_history(experiment, test_table, (0.6, 0.4, 0.2), (0.5, 0.45, 0.7))
    assert (
        "From epoch 3 on the validation loss is above its lowest value: 0.450 after epoch 2" in both
    )
    assert "while the training loss fell from 0.400 to 0.200: a sign of overfitting" in both
    neither = with_history(experiment, test_table, (0.6, 0.4, 0.5), (0.5, 0.45, 0.7))
    assert "the training loss did not fall either (from 0.400 to 0.500)" in neither
    falling = with_history(experiment, test_table, (0.6, 0.4, 0.2), (0.5, 0.45, 0.3))
    assert "lowest after the last epoch, 3: the losses show no overfitting" in falling
    assert "a sign of overfitting" not in neither + falling
    assert "heart" not in both


def test_a_degenerate_model_is_remarked_in_red(experiment, table):
    everyone_ill = experiment(table([0, 1, 0, 1], [0.8, 0.9, 0.7, 0.6]))
    page = render(everyone_ill)
    alarms = re.findall(r'<li class="alarm">(.*?)</li>', page)
    assert "Not usable: on test it calls everyone ill (specificity 0)." in alarms
    # Two images of each class: on validation all are right, and chance is not ruled out.
    assert any("on validation it may rank no better than chance" in alarm for alarm in alarms)


def test_recall_is_held_against_the_required_one(experiment, test_table):
    text = text_of(render(experiment(test_table)))
    assert (
        "The required recall is 0.99 at the threshold 0.5; it reaches it on validation with 1.000"
        in text
    )
    assert "and misses it on test with 0.500" in text


def test_the_layers_of_each_network_are_listed(experiment, test_table):
    result = experiment(test_table)
    layers = (
        Layer("conv", "Conv2d", (16, 149, 149), 208),
        Layer("output", "Linear", (1,), 1355217),
    )
    model = replace(result.models[0], layers=layers)
    text = text_of(render(replace(result, models=(model,))))
    assert "Layer Kind Output shape Parameters 1. conv Conv2d 16 × 149 × 149 208 2. output" in text
    assert "2. output Linear 1 1,355,217" in text


def test_the_conclusion_states_choice_difference_and_limits(experiment, test_table):
    text = text_of(render(experiment(test_table)))
    conclusion = text[text.index("Conclusion – ") if "Conclusion – " in text else 0 :]
    assert "model_1 is chosen, and calls ill from a probability of 0.550 on" in conclusion
    assert "the highest precision among the models with a recall of at least 0.99" in conclusion
    # At 0.55 as at 0.5: of e.png (0.7) and f.png (0.3) one is called ill, and two are missed.
    assert "Of 2 normal test radiographs it calls 1 ill, as many as the 1 by" in conclusion
    assert (
        "Of 4 test radiographs with pneumonia it misses 2, and the notebook&#39;s rule 2"
        in conclusion
    )
    assert "its precision where another share than 67 % has pneumonia" in conclusion
    unusable = experiment(test_table)
    own = replace(unusable.own_thresholds, choice=replace(unusable.choice, usable=False))
    assert "No model is usable" in text_of(render(replace(unusable, own_thresholds=own)))


def test_the_notebooks_published_errors_are_counted_beside_ours(experiment, table):
    """387 of 390 found and 120 of 234 normal ones called ill give its recall and precision."""
    labels = [1] * 390 + [0] * 234
    probabilities = [0.9] * 380 + [0.1] * 10 + [0.8] * 30 + [0.2] * 204
    result = experiment(table(labels, probabilities))
    data = replace(result.data, counts=PUBLISHED_COUNTS, synthetic=False)
    text = text_of(render(replace(result, data=data)))
    assert "as published called 120 of these 234 normal radiographs ill and missed 3 of 390" in text
    assert "+90 false positives and −7 false negatives beside the model chosen here" in text
