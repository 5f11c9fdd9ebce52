"""MIMIC-SDOH: where MIMIC's patients live, and what is known of those counties and tracts.

How poor a place is, is drawn once a seed. People of poorer groups live in poorer places, as
strongly as `sdoh_path` says: race, insurance -> tract -> income and insurance cover.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from cxrfair.phantom import noise, output, population
from cxrfair.phantom.config import INSURANCES, RACES, PhantomConfig
from cxrfair.phantom.writers import _mimic

Array = NDArray[np.float64]

COUNTIES = tuple(  # Massachusetts and Connecticut, whose codes begin with a zero
    [f"25{number:03d}" for number in range(1, 29, 2)]
    + [f"09{number:03d}" for number in range(1, 17, 2)]
)
TRACTS = 8  # in each county
YEARS = (2016, 2017, 2018)  # of the AHRQ tables
INCOME = 78_000  # dollars, of the median household of a middling tract in the last year
UNINSURED = 0.05  # share under 65, in a middling county
GROWTH = 0.03  # of incomes, a year
POVERTY = {
    **{"white": -0.2, "black": 1.0, "hispanic": 0.9, "asian": -0.1, "other": 0.4},
    **{"medicare": 0.0, "private": -0.4, "medicaid": 1.0},
}
NO_VALUE = -999  # in the Social Vulnerability Index
DIRT = ("short county", "short tract", "elsewhere", "twice")  # what is odd about a residence


@dataclass(frozen=True)
class World:
    """Counties and tracts: how poor they are (mean 0, sd 1 over tracts), and what that makes."""

    tracts: list[str]
    county: NDArray[np.int64]  # (tracts,): position in COUNTIES
    deprivation: Array  # (tracts,)
    income_dollars: Array  # (tracts,): median household income in the last year
    uninsured_percent: Array  # (counties,)


def write(config: PhantomConfig, root: Path) -> Iterator[pd.DataFrame]:
    """Fill `root`, and yield the truth of each patient, some at a time."""
    world = _world(config)
    with output.Tables(root) as tables:
        tables.append("ahrq_county.csv", _ahrq_county(config, world))
        tables.append("ahrq_tract.csv", _ahrq_tract(config, world))
        tables.append("svi_county.csv", _svi_county(config, world))
        for numbers in population.blocks(config):
            people = _settled(config, world, population.people(config, numbers))
            tables.append("mimic_sdoh_residences.csv", _residences(config, people))
            yield people


def _world(config: PhantomConfig) -> World:
    """Draw the places."""
    random = noise.generator(config.seed, "world", 0)
    county = np.repeat(np.arange(len(COUNTIES)), TRACTS)
    wealth = random.standard_normal(len(COUNTIES))
    drawn = 0.7 * wealth[county] + 0.7 * random.standard_normal(len(county))
    deprivation = (drawn - drawn.mean()) / drawn.std()
    jitter = random.standard_normal(len(county))
    by_county = deprivation.reshape(-1, TRACTS).mean(axis=1)
    return World(
        tracts=[f"{COUNTIES[c]}{100 * (i + 1):06d}" for i, c in enumerate(county)],
        county=county,
        deprivation=deprivation,
        income_dollars=np.round(INCOME * np.exp(-0.4 * deprivation + 0.08 * jitter)),
        uninsured_percent=np.round(100 * expit(logit(UNINSURED) + 0.5 * by_county), 1),
    )


def _settled(config: PhantomConfig, world: World, persons: pd.DataFrame) -> pd.DataFrame:
    """Add where each person lives, and what is true of that place."""
    groups = pd.MultiIndex.from_product([RACES, INSURANCES])
    need = np.array([POVERTY[race] + POVERTY.get(cover, 0.3) for race, cover in groups])
    weights = np.exp(config.sdoh_path * need[:, None] * world.deprivation)
    shares = weights / weights.sum(axis=1, keepdims=True)
    row = groups.get_indexer(pd.MultiIndex.from_frame(persons[["race", "insurance"]]))
    u = noise.uniform(config.seed, "home", persons["patient"].to_numpy(), 1)[:, 0]
    tract = noise.choose_by(u, shares.tolist(), row)
    county = world.county[tract]
    return persons.assign(
        subject_id=_mimic.subject_ids(config, persons["patient"].to_numpy()),
        county_fips=np.asarray(COUNTIES)[county],
        tract_fips=np.asarray(world.tracts)[tract],
        deprivation=world.deprivation[tract],
        income_dollars=world.income_dollars[tract],
        uninsured_percent=world.uninsured_percent[county],
    )


def _residences(config: PhantomConfig, people: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the residences; some are missing, blank or odd."""
    u = noise.uniform(config.seed, "residence", people["patient"].to_numpy(), 3).T
    dirt = np.asarray(DIRT)[(u[2] * len(DIRT)).astype(int)]
    dirt = np.where(u[1] < config.dirt_share, dirt, "")
    county, tract = people["county_fips"], people["tract_fips"]
    moved = dict(zip(COUNTIES, (*COUNTIES[1:], COUNTIES[0]), strict=True))
    county = county.mask(dirt == "elsewhere", county.map(moved))
    county = county.mask(dirt == "short county", _as_number(county))
    tract = tract.mask(dirt == "short tract", _as_number(tract))
    known = u[0] >= config.missing_share
    rows = pd.DataFrame(
        {
            "subject_id": people["subject_id"],
            "COUNTYFIPS": county.where(known),
            "TRACTFIPS": tract.where(known),
        }
    )
    listed = rows[u[0] >= config.missing_share / 2]
    again = rows[(dirt == "twice") & known]
    twice: pd.DataFrame = pd.concat([listed, again])
    return twice.sort_values("subject_id", kind="stable")


def _as_number(fips: pd.Series) -> pd.Series:
    """Write codes as a spreadsheet does: without the zero in front, the others as a float."""
    return fips.str.removeprefix("0").mask(~fips.str.startswith("0"), fips + ".0")


def _ahrq_county(config: PhantomConfig, world: World) -> pd.DataFrame:
    """Return one row a county and year."""
    frame = _each_year(pd.DataFrame({"COUNTYFIPS": COUNTIES}))
    n = len(YEARS)
    incomes = pd.Series(world.income_dollars).groupby(world.county).median().to_numpy()
    grown = np.repeat(incomes, n) * _growth(frame["YEAR"])
    frame["SAHIE_PCT_UNINSURED64"] = np.repeat(world.uninsured_percent, n)
    frame["ACS_MEDIAN_HH_INC"] = np.round(grown)
    return _holed(config, frame, np.nan)


def _ahrq_tract(config: PhantomConfig, world: World) -> pd.DataFrame:
    """Return one row a tract and year."""
    frame = _each_year(pd.DataFrame({"TRACTFIPS": world.tracts}))
    grown = np.repeat(world.income_dollars, len(YEARS)) * _growth(frame["YEAR"])
    frame["ACS_MEDIAN_HH_INC"] = np.round(grown)
    return _holed(config, frame, np.nan)


def _svi_county(config: PhantomConfig, world: World) -> pd.DataFrame:
    """Return one row a county, in the form of the Social Vulnerability Index."""
    poverty = pd.Series(world.deprivation).groupby(world.county).mean()
    rank = (poverty.rank() - 1) / (len(COUNTIES) - 1)
    frame = pd.DataFrame(
        {
            "FIPS": COUNTIES,
            "EP_UNINSUR": world.uninsured_percent,
            "RPL_THEMES": rank.round(4).to_numpy(),
        }
    )
    return _holed(config, frame, NO_VALUE)


def _each_year(places: pd.DataFrame) -> pd.DataFrame:
    """Repeat each place once a year."""
    frame = places.loc[places.index.repeat(len(YEARS))].reset_index(drop=True)
    return frame.assign(YEAR=np.tile(YEARS, len(places)))


def _growth(year: pd.Series) -> Array:
    """Return incomes of a year as a multiple of those of the last."""
    return np.asarray((1 + GROWTH) ** (year - YEARS[-1]), dtype=np.float64)


def _holed(config: PhantomConfig, frame: pd.DataFrame, hole: float) -> pd.DataFrame:
    """Take the zero in front off some codes, and some values away."""
    key, *values = [name for name in frame if name != "YEAR"]
    rows = np.arange(len(frame), dtype=np.int64)
    u = noise.uniform(config.seed, f"hole {key}", rows, 1 + len(values)).T
    frame[key] = frame[key].mask(u[0] < config.dirt_share, frame[key].str.removeprefix("0"))
    for name, drawn in zip(values, u[1:], strict=True):
        frame[name] = frame[name].mask(drawn < config.dirt_share, hole)
    return frame
