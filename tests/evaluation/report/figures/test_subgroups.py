"""The figure of subgroups."""

from dataclasses import replace

from pneumoscope.evaluation.report.figures.subgroups import subgroups_figure
from pneumoscope.evaluation.subgroups.table import SubgroupTable, subgroup_table
from pneumoscope.report.estimate import Estimate


def test_the_figure_has_headings_values_and_what_is_too_few(drawn):
    made = drawn(200, 15, sex=["F", "M"] * 100, site=["A"] * 195 + ["B"] * 5)
    table = subgroup_table(made, 0.5, draws=50)
    figure = subgroups_figure(table, Estimate(0.8, 0.7, 0.9))
    figure.canvas.draw()
    left, right = figure.axes
    names = [label.get_text() for label in left.get_yticklabels()]
    words = [label.get_text() for label in right.get_yticklabels()]
    ill = [group.positives for group in table.groups]
    assert names[:3] == ["sex", f"F ({ill[0]} ill, {100 - ill[0]} not)", names[2]]
    assert names[3] == "site"
    assert words[1] == str(table.groups[0].auc)
    assert (words[0], words[3], words[5]) == ("", "", "too few")
    overall = [line for line in left.lines if line.get_linestyle() == "--"]
    assert overall[0].get_xdata()[0] == 0.8
    assert "0.800 (0.700 to 0.900)" in left.get_xlabel()


def test_the_figure_says_what_one_class_is_set_against(drawn):
    made = drawn(200, 16)
    label = tuple("PNEUMONIA" if ill else "NORMAL" for ill in made.labels)
    table = subgroup_table(replace(made, groups={"label": label}), 0.5, draws=20)

    axes = subgroups_figure(table, Estimate(0.8)).axes[0]
    names = [text.get_text() for text in axes.get_yticklabels()]
    ill = int(made.labels.sum())
    assert names == [
        "label",
        f"NORMAL ({200 - ill} not ill, against all PNEUMONIA)",
        f"PNEUMONIA ({ill} ill, against all NORMAL)",
    ]


def test_a_figure_without_subgroups_says_so():
    axes = subgroups_figure(SubgroupTable((), {}), Estimate(None)).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["no subgroups"]
