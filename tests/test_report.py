"Tables and their verdicts: words on made-up rows, the same cells as Markdown, text and HTML"

import re
from html.parser import HTMLParser

import pytest
import torch

from hysp.evaluate import judge, neighbour_scores
from hysp.report import (
    Rows,
    aligned,
    html_table,
    markdown_table,
    oracle_note,
    result_row,
    verdict_of,
)

nearest, reranked = dict(k=1, metric="cosine"), dict(rerank=5, metric="cosine")


def verdict(right, clips=100):
    "A verdict on clips of class 0, the first `right` of which are right"
    said = torch.tensor([0] * right + [1] * (clips - right))
    return judge(neighbour_scores(said, [0, 1], 2), torch.zeros(clips, dtype=torch.long))


def made(
    name, kind, knn=None, linear=None, again=None, epoch=None, classes="2 classes", judged=None
):
    "A row whose clips are right from the first to a given number"
    given = {"1-NN": (knn, nearest), "1-NN, re-ranked": (again, reranked), "linear": (linear, {})}
    clips = 100 if judged is None else len(judged)
    found = {k: (verdict(n, clips), note) for k, (n, note) in given.items() if n is not None}
    weights = dict(sha256="0") if kind in ("encoder", "read-out") else None
    return result_row(name, classes, found, epoch, weights, kind, judged)


def said(*rows):
    return verdict_of(list(rows)).splitlines()


# Words


@pytest.mark.parametrize(
    "ours,free,word",
    [
        (80, 70, "over"),
        (80, 79, "level with"),
        (80, 80, "level with"),
        (79, 80, "level with"),
        (70, 80, "below"),
    ],
)
def test_the_word_is_that_of_the_interval(ours, free, word):
    (line,) = said(made("ours", "encoder", ours, epoch=3), made("raw", "free", free))
    start = f"1-NN: “ours” is {word} “raw”, the best of what costs nothing: "
    gap = f"{ours - free:+.1f}".replace("-", "−")
    assert line.startswith(start + gap) and line.endswith(").")
    low, high = re.search(r"\((\S+) to (\S+)\)", line.replace("−", "-")).groups()
    assert float(low) <= ours - free <= float(high)
    assert (float(low) > 0) == (word == "over") and (float(high) < 0) == (word == "below")


def test_best_against_best_in_each_measure():
    rows = (
        made("hysp, epoch 1", "encoder", 99, 99, epoch=1),
        made("hysp, epoch 2", "encoder", 50, 60, epoch=2),
        made("hysp, epoch 2, tangents", "read-out", 70, 55, epoch=2),
        made("hysp, epoch 2 ⊕ raw", "read-out", 40, 80, epoch=2),
        made("untrained encoder", "untrained", 30, 40, epoch=0),
        made("raw", "free", 60, 50),
        made("chance", "free", 10, 10),
    )
    knn, linear = said(*rows)
    assert knn.startswith("1-NN: “hysp, epoch 2, tangents” is over “raw”"), "epoch 2 is the last"
    assert linear.startswith("linear: “hysp, epoch 2 ⊕ raw” is over “raw”")


def test_time_warping_has_a_sentence_of_its_own():
    raw, dtw = made("raw", "free", 50), made("DTW", "dtw", 80)
    lines = said(made("ours", "encoder", 70), raw, dtw)
    assert lines[0].startswith("1-NN: “ours” is over “raw”, the best of what costs nothing")
    assert lines[1].startswith("1-NN: “ours” is below “DTW”: −10.0 (") and len(lines) == 2
    lines = said(made("ours", "encoder", 70, again=80), raw, dtw)
    assert lines[1].startswith("1-NN, re-ranked: “ours” is level with “DTW”: +0.0 (+0.0 to +0.0)")


def test_a_sample_is_compared_on_its_own_clips():
    "Of clips 60 to 99 ours has the first 10 right, time warping the first 20"
    ours = made("ours", "encoder", 70)
    dtw = made("DTW (40 of 100 clips)", "dtw", 20, judged=torch.arange(60, 100))
    assert said(ours, dtw)[0].startswith("1-NN: “ours” is below “DTW (40 of 100 clips)”: −25.0 (")


def test_an_encoder_below_its_own_random_weights_is_named():
    twin = made("untrained encoder", "untrained", 60, 60, epoch=0)
    ours = made("ours", "encoder", 40, 59), made("ours ⊕ raw", "read-out", 90, 90)
    *_, last = said(*ours, twin)
    assert last.startswith("The encoder is below the same encoder untrained: 1-NN −20.0 (")
    assert "linear" not in last
    assert not any("same encoder" in o for o in said(made("ours", "encoder", 60, 61), twin))


def test_nothing_to_compare_is_nothing_to_say():
    ours, raw = made("ours", "encoder", 50), made("raw", "free", 50)
    assert said(ours) == said(raw) == said() == []
    assert said(made("ours", "encoder", linear=50), made("DTW", "dtw", 50)) == []
    rare = {"semi 1 %": (verdict(50), dict(clips=3, names="a.csv"))}
    assert (
        said(
            result_row("ours", "2 classes", rare, 1),
            result_row("raw", "2 classes", rare, kind="free"),
        )
        == []
    )


# Tables


class Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.rows, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_three_forms_have_the_same_cells():
    rows = [made("ours, epoch 3", "encoder", 70, 80), made("DTW, nothing", "dtw", 9)]
    parsed = Cells()
    parsed.feed(html_table(rows))
    lines = markdown_table(rows).splitlines()
    markdown = [o.strip("| ").split(" | ") for o in lines if "---" not in o]
    text = [re.split(" {2,}", o.strip()) for o in aligned(rows).splitlines() if "---" not in o]
    assert parsed.rows == markdown == text
    assert markdown[0] == ["features", "classes", "1-NN", "linear", "linear_95", "linear_top5"]
    low, high = rows[0]["verdict"].interval
    assert markdown[1][3] == f"80.0 ({100 * low:.1f}–{100 * high:.1f})"
    assert markdown[2][3:] == ["–", "–", "–"]


def test_words_to_the_left_and_numbers_to_the_right():
    rows = [dict(name="a", n=1, share=0.5), dict(name="longer", n=1000, share=None)]
    assert aligned(rows) == (
        "name       n  share\n------  ----  -----\na          1   50.0\nlonger  1000      –\n"
    )
    assert html_table(rows).count("text-align:left") == 3
    assert html_table(rows).count("text-align:right") == 6


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a & b", '"x" <img src=x>'])
def test_names_are_escaped(name):
    rows = Rows([made(name, "encoder", 70, 80), made("raw", "free", 60, 60)])
    rows += [made(name, "encoder", 9, 9, classes=f"{name} groups")]
    parsed = Cells()
    parsed.feed(rows._repr_html_())
    assert set(parsed.tags) <= {"p", "br", "table", "thead", "tbody", "tr", "th", "td"}
    assert parsed.rows[1][0] == name and "<script" not in rows._repr_html_()


def test_rows_are_a_list():
    rows = Rows([made("a", "encoder", 70), made("b", "free", 60)])
    a, b = rows
    assert a is rows[0] and rows[-1] is b and len(rows) == 2 and rows[:1] == [a]
    assert [o["features"] for o in rows] == ["a", "b"] and isinstance(rows, list)
    assert repr(Rows()) == "" and "table" not in Rows()._repr_html_()


def test_a_table_and_a_verdict_for_each_set_of_classes():
    sets = ("20 classes", "10 groups")
    rows = Rows(
        made(name, kind, n, 60, classes=classes)
        for name, kind, n in (("ours", "encoder", 70), ("raw", "free", 50))
        for classes in sets
    )
    assert [o for o in repr(rows).splitlines() if "clips" in o] == [f"{o}, 100 clips" for o in sets]
    assert (
        repr(rows).count("1-NN: “ours” is over “raw”") == rows._repr_html_().count("<table>") == 2
    )
    assert "linear_95" not in repr(rows)


def test_read_outs_are_no_epochs():
    rows = [made(f"m, epoch {o}", "encoder", linear=n, epoch=o) for o, n in ((1, 60), (2, 50))]
    rows.append(made("m, epoch 2 ⊕ raw", "read-out", linear=90, epoch=2))
    assert "last epoch, 2. " in oracle_note(rows) and "epoch 1, 60.0" in oracle_note(rows)
    assert oracle_note(rows[1:]) == ""
