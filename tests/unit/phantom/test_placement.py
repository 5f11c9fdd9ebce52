import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from cxrfair import plugins
from cxrfair.phantom import findings, placement, population
from cxrfair.phantom.population import FINDINGS
from cxrfair.phantom.reporting import report


@pytest.fixture(scope="module")
def studies(make_config):
    config = make_config(patients=400)
    return population.studies(config, population.people(config, np.arange(400)), "x")


def test_the_folder_and_the_settings_know_the_same_findings():
    assert plugins.names(findings) == FINDINGS == tuple(sorted(FINDINGS))
    assert len(FINDINGS) == 14


def test_every_finding_lies_where_it_may(make_config, studies):
    placed = placement.place(make_config(), studies, "x")
    for name, finding in placement.FINDING.items():
        low, high = finding.heights
        assert placed[f"{name}_y"].between(low, high).all()
        assert placed[f"{name}_size"].between(0.5, 1.6).all()
        both = (placed[f"{name}_side"] == 0).mean()
        assert both == pytest.approx(finding.both_share, abs=0.06)
        assert set(placed[f"{name}_side"]) <= {-1, 0, 1}
        there = studies[name].to_numpy()
        assert (placed[f"{name}_load"][~there] == 0).all()
        assert placed[f"{name}_load"][there].between(0.45, 1).all()


def test_a_further_finding_would_move_no_other(make_config, studies, monkeypatch):
    """Each finding has noise of its own: with one of them gone, the others stay as they were."""
    config = make_config(patients=400)
    placed, said = placement.place(config, studies, "x"), report(config, studies, "x")
    fewer = [name for name in FINDINGS if name != "consolidation"]
    monkeypatch.setattr(placement, "FINDING", {name: placement.FINDING[name] for name in fewer})
    monkeypatch.setattr("cxrfair.phantom.reporting.FINDINGS", fewer)
    monkeypatch.setattr(
        "cxrfair.phantom.reporting.PATHOLOGIES", [name for name in fewer if "device" not in name]
    )
    monkeypatch.setattr(population, "FINDINGS", fewer)
    again = population.studies(config, population.people(config, np.arange(400)), "x")
    assert_frame_equal(again, studies[again.columns])
    assert again.shape[1] == studies.shape[1] - 2
    less = placement.place(config, again, "x")
    assert_frame_equal(less, placed[less.columns])
    assert_frame_equal(report(config, again, "x")[fewer], said[fewer])


def test_findings_reshape_bodies_only_where_they_are(make_config, studies):
    rows = pd.concat([studies, placement.place(make_config(), studies, "x")], axis=1)
    body = pd.DataFrame(0.0, index=rows.index, columns=["heart_ratio", "mediastinum", "tilt"])
    changed = placement.reshape(body, rows)
    assert (body == 0).all(axis=None)
    for column, name in zip(body, ("cardiomegaly", "enlarged_cardiomediastinum"), strict=False):
        assert ((changed[column] > 0) == rows[name]).all()
    loss = rows.loc[rows["atelectasis"], "atelectasis_side"]
    assert (np.sign(changed["tilt"][rows["atelectasis"]]) == -loss).all()
    assert (changed["tilt"][~rows["atelectasis"]] == 0).all()
