import hashlib
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from cxrfair.report import ReportConfig, figures, tables
from cxrfair.report.site import build

PRIVATE, PUBLIC = ReportConfig(public=False), ReportConfig(public=True)


@pytest.fixture(scope="module")
def built(results, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    build([results], PRIVATE, out)
    return out


@pytest.fixture(scope="module")
def public(results, tmp_path_factory):
    out = tmp_path_factory.mktemp("public")
    build([results], PUBLIC, out)
    return out


def _digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_every_table_and_figure_is_there_by_itself(built):
    expected = {f"quick/tables/{n}.{k}" for n in tables.names() for k in ("csv", "tex")}
    expected |= {f"quick/figures/{n}.{k}" for n in figures.names() for k in ("png", "pdf")}
    assert set(_digests(built)) == expected | {"index.html"}


TINY = {"datasets": ("nih",), "attributes": ("sex",), "seeds": (0,), "n": 200}


def test_equal_results_give_equal_bytes_in_another_process(made, tmp_path):
    source = Path(__file__).parents[2] / "made_study.py"
    code = (
        "import sys, pathlib, runpy\n"
        f"made = runpy.run_path({str(source)!r})\n"
        "from cxrfair.report import ReportConfig\n"
        "from cxrfair.report.site import build\n"
        f"results, out = made['results'](**{TINY}), pathlib.Path(sys.argv[1])\n"
        "build([results], ReportConfig(public=False), out)\n"
    )
    environment = {"PYTHONHASHSEED": "7", "MPLCONFIGDIR": str(tmp_path / "mpl")}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "r")], check=True, env=environment)
    build([made.results(**TINY)], PRIVATE, tmp_path / "here")
    assert _digests(tmp_path / "r") == _digests(tmp_path / "here")


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.ids, self.open = [], [], []

    def handle_starttag(self, tag, attrs):
        self.links += [v for k, v in attrs if k in ("href", "src")]
        self.ids += [v for k, v in attrs if k == "id"]
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_no_network(built):
    page = (built / "index.html").read_text(encoding="utf-8")
    reader = _Links()
    reader.feed(page)
    assert reader.open == []
    assert len(set(reader.ids)) == len(reader.ids)
    for link in reader.links:
        if link.startswith("#"):
            assert link[1:] in reader.ids
        elif not link.startswith("data:"):
            assert (built / link).is_file(), link
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", page)


def test_words_from_outside_are_escaped(built):
    page = (built / "index.html").read_text(encoding="utf-8")
    assert "&lt;test_resnet&gt; &amp; friends" in page
    assert "<test_resnet>" not in page


def test_only_simulated_data_are_stamped(built):
    page = (built / "index.html").read_text(encoding="utf-8")
    assert '<aside class="banner" role="note"><strong>PHANTOM</strong>' in page
    assert page.count('<div class="scroll phantom">') == len(tables.names())
    assert page.count('<div class="scroll">\n      <table>') == len(tables.names())
    for name in tables.names():
        rows = pd.read_csv(built / "quick" / "tables" / f"{name}.csv")
        assert (rows["simulated"] == (rows["dataset"] == "mimic")).all()
        text = (built / "quick" / "tables" / f"{name}.tex").read_text(encoding="utf-8")
        assert text.count("% PHANTOM: simulated data") == 1


def test_nothing_is_stamped_on_real_data(made, tmp_path):
    build([made.results(simulated=frozenset(), **TINY)], PRIVATE, tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    body = page[page.index("<body>") :]
    assert "PHANTOM" not in body
    assert "phantom" not in body
    assert all("PHANTOM" not in p.read_text("utf-8") for p in tmp_path.rglob("*.tex"))


def test_undefined_and_intervals_are_explained(built):
    page = (built / "index.html").read_text(encoding="utf-8")
    assert "90% percentile intervals from 40 bootstrap resamples" in page
    assert re.search(r'title="[^"]*no threshold|title="[^"]*undefined in', page)


def test_a_public_report_shows_no_small_cell(public):
    for name in tables.names():
        rows = pd.read_csv(public / "quick" / "tables" / f"{name}.csv")
        counts = [c for c in rows if c.startswith(("n", "images_lost")) or c.endswith("_positive")]
        counts = [c for c in counts if pd.api.types.is_numeric_dtype(rows[c])]
        small = (rows[counts] > 0) & (rows[counts] < 20)
        assert not small.any(axis=None), (name, rows[small.any(axis=1)])
    page = (public / "index.html").read_text(encoding="utf-8")
    assert "hidden" in page
    assert "Public report" in page


def test_a_private_report_shows_them(built):
    rows = pd.read_csv(built / "quick" / "tables" / "cohort_composition.csv")
    assert (rows["n_test"] < 20).any()
