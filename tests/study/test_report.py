"""A report as a page, as tables and as data: complete, self-contained, and safe to open."""

from __future__ import annotations

import html.parser
import io
import json
import re
import sqlite3
import xml.etree.ElementTree as ElementTree

import pandas as pd
import pytest
from click.testing import CliRunner

from shardopt.cli import commands
from shardopt.instances.files import instance_sha256
from shardopt.study import load
from shardopt.study.figures import COLOURS
from shardopt.study.report import cells
from shardopt.study.report.build import build_page
from shardopt.study.report.plans import worst_runs
from shardopt.study.report.protocol import instance_set
from shardopt.study.report.svg import inline_svg
from shardopt.study.store import open_study
from study.hand import frame, proof, run, three_blocks, write_study

VOID = {"meta", "link", "input", "img", "br"}


def report(*arguments):
    return CliRunner().invoke(commands, ["report", *map(str, arguments)])


@pytest.fixture(scope="module")
def page(small_study):
    return build_page(small_study)


class Balanced(html.parser.HTMLParser):
    """Collects the elements of a page, and fails where one is closed that is not open."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.places = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        self.places += [value for name, value in attrs if name in {"src", "href", "xlink:href"}]

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_that_a_page_is_well_formed_and_needs_nothing_else(page):
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert all(place.startswith(("#", "data:")) for place in parser.places)
    assert not re.search(r"@import|url\((?!#)|fetch\(|XMLHttpRequest", page)


def test_that_the_protocol_comes_first_and_says_what_it_must(page):
    assert page.index('id="protocol"') < page.index('id="cold-start"')
    protocol = page[page.index('id="protocol"') : page.index('id="cold-start"')]
    for word in ("time limit per run", "seeds", "threads per run", "tolerance", "sha256", "begun"):
        assert word in protocol


def test_that_a_name_in_a_study_cannot_become_part_of_the_page(page):
    assert "<b>six</b>" not in page
    assert "&lt;/script&gt;&lt;b&gt;six" in page


def test_that_the_data_of_the_instances_are_what_the_frame_says(page, small_study):
    found = re.search(r'id="cold-start-data">(.*?)</script>', page, re.DOTALL)
    table = json.loads(found[1])
    names = [column["name"] for column in table["columns"]]
    shown = pd.DataFrame(table["rows"], columns=names)
    frame = load(small_study)
    assert len(shown) == len(frame) == 24
    assert sorted(shown["gap_to_bound"]) == pytest.approx(sorted(frame["gap_to_bound"]))
    assert len({column for column in names if column.startswith("gap_to_")}) == 3


def test_that_each_heuristic_has_its_worst_plan_beside_the_optimum(page):
    plans = json.loads(re.search(r'id="plans">(.*?)</script>', page, re.DOTALL)[1])
    used = re.findall(r'data-plan="([^"]+)"', page)
    assert set(used) == set(plans)
    assert len(used) == 2 * page.count('<details class="worst">') > 0
    best = page.count("is as good as the best known plan")
    assert page.count('<details class="worst">') + best == 2
    for svg in plans.values():
        ElementTree.fromstring(svg)


def test_that_missing_proof_does_not_make_an_instance_the_worst():
    table = frame(
        *(run("open", "dssr", 10.0, bound=2.0, role="reference"), run("open", "even", 10.5)),
        *(proof("closed", 10.0), run("closed", "even", 12.0)),
    )
    worst = {w.run["solver"]: w.run["instance"] for w in worst_runs(table)}
    assert worst == {"even": "closed"}


def test_that_pictures_take_the_colours_of_the_page(page):
    figures = page[page.index('class="pictures"') : page.index("Where each heuristic")]
    assert page.count("<figure") >= 4
    assert not re.search(r"(fill|stroke): #", figures)


def test_that_shorter_pictures_keep_their_words_and_their_dots():
    def draw(ax):
        ax.plot([0, 1, 2], [0, 1, 0], "o", color=COLOURS[3], alpha=0.5, markersize=2.5, mew=0)
        ax.set_xticks([1], ["0.00123"])

    svg = inline_svg(draw, (3, 2), "name", "dots < lines")
    assert ">0.00123<" in svg
    assert "var(--c3)" in svg
    assert max(path.count("h0") for path in re.findall(r' d="([^"]*)"', svg)) == 3
    ElementTree.fromstring(svg)


def test_that_contradicting_rows_head_the_page_and_fail_the_command(tmp_path):
    folder = contradicting(tmp_path)
    page = build_page(folder)
    assert page.index('role="alert"') < page.index('id="protocol"')
    result = report(folder, "-o", tmp_path / "page.html")
    assert result.exit_code == 1
    assert "contradiction: cold-start one" in result.stderr


def test_that_a_page_of_an_unfinished_study_says_so(tmp_path, page):
    folder = write_study(tmp_path / "study", [three_blocks("one")], ["even"])
    with open_study(folder) as study:
        roles = {row["key"]: row["role"] for row in study.runs()}
        study.set_wanted(roles | {"not made": "solver"})
    assert "1 of 3 runs are still to be made" in build_page(folder)
    assert "still to be made" not in page


def contradicting(tmp_path):
    """Return a study in which a plan is better than the optimum."""
    instance = three_blocks("one")
    folder = write_study(tmp_path / "study", [instance], ["even"])
    sha256 = instance_sha256(instance)
    with open_study(folder) as study:
        rows = [proof(sha256, 5.0), run(sha256, "harmonic", 1.0)]
        study.set_wanted({row["key"]: row["role"] for row in rows})
        for row in rows:
            study.add_run(row)
    return folder


def test_that_data_come_as_csv_and_as_parquet(small_study, tmp_path):
    result = report(small_study, "--format", "csv")
    assert result.exit_code == 0
    written = pd.read_csv(io.StringIO(result.stdout))
    assert len(written) == 24
    assert {"gap_to_bound", "gap_to_best_known", "gap_to_best_in_study"} <= set(written.columns)
    pytest.importorskip("pyarrow")
    assert (
        report(small_study, "--format", "parquet", "-o", tmp_path / "runs.parquet").exit_code == 0
    )
    assert len(pd.read_parquet(tmp_path / "runs.parquet")) == 24


def test_that_families_have_a_table_of_medians_where_there_are_several(small_study, tmp_path):
    assert "By family" not in build_page(small_study)
    assert "by family" not in report(small_study, "--format", "markdown").stdout
    study = tmp_path / "study"
    write_study(study, [three_blocks("one"), three_blocks("two", 40.0)], ["even"])
    with sqlite3.connect(study / "study.sqlite") as database:
        for n, name in ((4, "one"), (12, "two")):
            source = f"cold-start/typed n={n} seed=7"
            database.execute("UPDATE instances SET source = ? WHERE name = ?", (source, name))
    (rows,) = re.findall(r"<h3[^>]*>By family.*?<tbody>(.*?)</tbody>", build_page(study), re.DOTALL)
    assert re.findall(r'<th scope="row">(.*?)</th>', rows) == ["typed n=4", "typed n=12"]
    text = report(study, "--format", "markdown").stdout
    assert "| cold-start/typed n=4 | 1 | 1 |" in text


def test_that_tables_come_as_markdown_and_as_latex(small_study):
    text = report(small_study, "--format", "markdown", "--pairs", "even:harmonic").stdout
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {rows[0].count("|"), rows[-1].count("|")}
    assert "| harmonic | heuristic |" in text
    assert "Wilcoxon" in text
    latex = report(small_study, "--format", "latex").stdout
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 2
    assert not re.search(r"(?<!\\)%(?! )", latex)


def test_that_pairs_may_be_named_and_unknown_ones_are_refused(small_study, tmp_path):
    page = tmp_path / "page.html"
    assert report(small_study, "-o", page, "--pairs", "even:harmonic,even:dssr").exit_code == 0
    tests = page.read_text(encoding="utf-8").split('class="sortable tests"')[1]
    assert tests.split("</table>")[0].count('<th scope="row">even') == 2
    result = report(small_study, "-o", page, "--pairs", "even:nobody")
    assert result.exit_code == 2
    assert "nobody" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["nowhere"], ["--format", "parquet"], ["-o", "no/such/folder/page.html"], ["--format", "pdf"]],
)
def test_that_what_cannot_be_done_is_bad_input(small_study, arguments):
    study = [] if arguments == ["nowhere"] else [small_study]
    result = report(*study, *arguments)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


def test_that_an_instance_set_has_a_hash_whatever_its_order():
    assert instance_set(["b", "a"]) == instance_set(["a", "b"])
    assert instance_set(["a"]) != instance_set(["a", "b"])


@pytest.mark.parametrize(
    ("reading", "value", "text"),
    [
        (cells.percent, 0.0, "0 %"),
        (cells.percent, 0.123456, "12.3 %"),
        (cells.percent, 1e-5, "0.001 %"),
        (cells.percent, 1e-9, "<0.0001 %"),
        (cells.percent, float("nan"), "–"),
        (cells.seconds, 600.0, "600 s"),
        (cells.seconds, 0.0004, "<0.001 s"),
        (cells.seconds, 1.23456, "1.23 s"),
        (cells.probability, 0.0001, "<0.001"),
    ],
)
def test_that_numbers_read_well(reading, value, text):
    assert reading(value) == text


def test_that_an_interval_is_left_out_where_it_says_nothing():
    assert cells.interval(0.1, 0.25, "percent") == "[10, 25]"
    assert cells.interval(1e-9, 2e-9, "seconds") == ""
    assert cells.interval(float("nan"), float("nan"), "percent") == ""
