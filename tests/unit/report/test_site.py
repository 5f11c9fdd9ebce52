import hashlib
import html
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from cxrfair.report import ReportConfig, figures, tables
from cxrfair.report._results import Decoding, Leakage
from cxrfair.report.collect import _cuts, _decoding, _leakage, _to_folds
from cxrfair.report.site import build
from cxrfair.report.suppression import suppress

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


def _tables(results):
    return {name for name in tables.names() if len(tables.get(name).make(results))}


def _figures(results):
    return {name for name in figures.names() if figures.get(name).draw(results) is not None}


def test_every_table_and_figure_is_there_by_itself(built, results):
    assert {"attribute_leakage", "search", "significance"} <= {*tables.names()}
    asked = {"attribute_leakage", "downstream", "effects", "adf_effect", "localisation", "overlap"}
    of_papers = {"claims", "paper", "paper_groups"}
    of_variants = {"coverage", "drawn", "rebalanced", "search", "trials"}
    asked |= {"alignment", "alignment_recount"}
    assert _tables(results) >= {*tables.names()} - asked - of_papers - of_variants
    few = {"accuracy_eom", "masks", "patches", "ranks", "saliency", "sweeps"}
    few |= {"alpha_tradeoff", "distribution", "annotations", "overlays"}
    few |= {"alignment_levels", "alignment_radar", "alignment_ratio"}
    assert _figures(results) >= {*figures.names()} - asked - few
    expected = {f"quick/tables/{n}.{k}" for n in _tables(results) for k in ("csv", "tex")}
    expected |= {f"quick/figures/{n}.{k}" for n in _figures(results) for k in ("png", "pdf")}
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


def test_only_simulated_data_are_stamped(built, results):
    page = (built / "index.html").read_text(encoding="utf-8")
    assert '<aside class="banner" role="note"><strong>PHANTOM</strong>' in page
    assert page.count('<div class="scroll phantom">') == len(_tables(results))
    assert page.count('<div class="scroll">\n      <table>') == len(_tables(results))
    for name in _tables(results):
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
    shown = sorted((public / "quick" / "tables").glob("*.csv"))
    assert len(shown) > 10
    for path in shown:
        name, rows = path.stem, pd.read_csv(path).drop(columns="n_groups", errors="ignore")
        counts = [c for c in rows if c == "n" or c.startswith(("n_", "images_lost"))]
        counts += [c for c in rows if c.endswith("_positive")]
        counts = [c for c in counts if pd.api.types.is_numeric_dtype(rows[c])]
        small = (rows[counts] > 0) & (rows[counts] < 20)
        assert not small.any(axis=None), (name, rows[small.any(axis=1)])
    page = (public / "index.html").read_text(encoding="utf-8")
    assert "hidden" in page
    assert "Public report" in page


def test_a_private_report_shows_them(built):
    rows = pd.read_csv(built / "quick" / "tables" / "cohort_composition.csv")
    assert (rows["n_test"] < 20).any()


def _lines(page):
    return re.findall(r'<p class="prose gate"><b>([^<]*)</b> ([^<]*)</p>', page)


def test_each_data_set_says_what_its_folds_share(built):
    lines = dict(_lines((built / "index.html").read_text(encoding="utf-8")))
    assert list(lines) == ["NIH", "Mimic"]
    assert lines["NIH"] == (
        "Of 600 images 60 (10.00 %) cannot be read. JPEG images were decoded at a fraction of "
        "their size: 3 decoded in full as well differ by 0.25 of 255 grey levels on average, 0.50 "
        "at most. No patient and no picture is in two folds (200 patients, 600 images). A split by "
        "image would have tested on images of which 80.0 % have the same patient in training."
    )


@pytest.mark.parametrize(
    ("leakage", "said"),
    [
        (Leakage(200, 600, 150, 120, 0.8), ["200 patients", "600 images", "80.0 %"]),
        (Leakage(19, 600, 150, 120, 0.8), ["hidden patients", "hidden images", "80.0 %"]),
        (Leakage(200, 600, 150, 19, 19 / 150), ["200 patients", "hidden %"]),
        (Leakage(200, 600, 150, 131, 131 / 150), ["hidden %"]),
        (Leakage(200, 600, 150, 0, 0.0), [" 0.0 %"]),
        (Leakage(200, 600, 0, 0, None), ["(200 patients, 600 images)."]),
        (Leakage(200, 600, None, None, None), ["External: tested only", "(200 patients, 600"]),
        (Leakage(19, 600, None, None, None), ["External: tested only", "(hidden patients, hidden"]),
    ],
)
def test_a_public_report_hides_what_is_few_of_it(made, tmp_path, leakage, said):
    results = replace(made.results(**TINY), leakage={"nih": leakage})
    build([results], PUBLIC, tmp_path)
    ((_, line),) = _lines((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert all(part in line for part in said), line


def test_what_the_gate_wrote_is_read(tmp_path):
    by_image = {"test_images": 4, "beside_own_patient": 3, "share": 0.75}
    found = {"patients": 5, "images": 9, "patients_in_two_folds": 0, "image_level": by_image}
    (tmp_path / "l.json").write_text(json.dumps(found))
    assert _leakage(tmp_path / "l.json") == Leakage(5, 9, 4, 3, 0.75)
    (tmp_path / "l.json").write_text(json.dumps(found | {"image_level": None}))
    assert _leakage(tmp_path / "l.json") == Leakage(5, 9, None, None, None)


def test_images_in_no_fold_are_the_last_step_of_the_flow(made):
    cohort, fold = made.cohort("nih", 60)
    splits = cohort[["image_id"]].assign(fold=fold)
    steps = made.flow(60)
    assert _to_folds(steps, cohort, splits).equals(steps)
    last = _to_folds(steps, cohort, splits.iloc[:50]).iloc[-1]
    assert last[["position", "step", "why"]].tolist() == [4, "in a fold", "left over 10"]
    assert last[["images_in", "images_out", "images_lost"]].tolist() == [60, 50, 10]


def test_doubts_have_a_column_where_there_are_any_and_none_else(results):
    name = "cohort_composition"
    assert "pleural_effusion_uncertain" not in tables.get(name).make(results)
    rows = results.composition
    in_doubt = rows["label"].eq("pleural_effusion") & rows["fold"].eq("train")
    doubted = replace(results, composition=rows.assign(n_uncertain=in_doubt * 30))
    frame = tables.get(name).make(doubted)
    assert (frame["pleural_effusion_uncertain"] == 30).all()
    assert "no_finding_uncertain" not in frame
    shown = tables.get(name).make(suppress(doubted))["pleural_effusion_uncertain"]
    assert set(shown.dropna()) == {30}
    few = doubted.composition["n_uncertain"].where(~rows["group"].eq("male"), 7)
    hidden = tables.get(name).make(
        suppress(replace(results, composition=rows.assign(n_uncertain=few)))
    )
    assert hidden["pleural_effusion_uncertain"].isna().all()


@pytest.mark.parametrize(
    ("decoding", "said"),
    [
        (Decoding(600, 30, 3, 0.25, 0.5), ["Of 600 images 30 (5.00 %)", "0.25 of 255", "0.50 at"]),
        (Decoding(600, 3, 0, None, None), ["Of 600 images hidden cannot", "at their full size"]),
        (Decoding(600, 0, 0, None, None), ["Of 600 images 0 (0.00 %)"]),
    ],
)
def test_the_page_says_how_images_were_read(made, tmp_path, decoding, said):
    results = replace(made.results(**TINY), decoding={"nih": decoding})
    build([results], PUBLIC, tmp_path)
    ((_, line),) = _lines((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert all(part in line for part in said), line


CUT = {
    "variable": "tract.INCOME", "rule": "quantile", "limits": [61234.5], "groups": ["low", "high"],
    "n_patients": 200,
}  # fmt: skip


@pytest.mark.parametrize(
    ("cuts", "said"),
    [
        (
            {"income": CUT},
            "Income is tract.INCOME, cut by the training patients' quantiles, at 61,234.5: low, "
            "high, from its lowest values up.",
        ),
        ({"income": CUT | {"rule": "value"}}, "Income is tract.INCOME, cut at 61,234.5: low, high"),
    ],
)
def test_the_page_says_where_attributes_of_places_were_cut(made, tmp_path, cuts, said):
    build([replace(made.results(**TINY), cuts={"nih": cuts})], PUBLIC, tmp_path)
    ((_, line),) = _lines((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert said in html.unescape(line)


def test_a_public_report_does_not_tell_the_median_of_few(made, tmp_path):
    cuts = {"nih": {"income": CUT | {"n_patients": 3}}}
    build([replace(made.results(**TINY), cuts=cuts)], PUBLIC, tmp_path)
    ((_, line),) = _lines((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert "cut" not in line


def test_cuts_of_attributes_that_the_study_does_not_use_are_left_out(made, tmp_path):
    (tmp_path / "c.json").write_text(json.dumps({"income": CUT, "other": CUT}))
    study = made.results(**TINY).study.model_copy(update={"attributes": ("sex x income",)})
    assert _cuts(tmp_path / "c.json", study) == {"income": CUT}


def test_how_images_were_read_is_taken_from_the_store_s_summary(tmp_path):
    (tmp_path / "s.json").write_text(
        '{"images": 9, "quarantined": 1, "sampled": 0, "decode_error": null,'
        ' "decode_error_worst": null}'
    )
    assert _decoding(tmp_path / "s.json") == Decoding(9, 1, 0, None, None)
