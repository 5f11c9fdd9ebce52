"""Linking at MIMIC's size: the pipeline's way against merge everything, filter, sort.

Run `python benchmarks/link.py --folder FOLDER [--share 0.1]`. The phantom makes hospital tables of
MIMIC's size without images; the adapters read them (timed); records, homes and places are drawn
beside them. Then, each in a process of its own on two cores: linking with SDOH values, the stage
with its reading and writing, the usual pandas way (which must find the same), and linking of 10
times the rows. What is in FOLDER already is used again.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml
from pyarrow import parquet

from cxrfair import datasets, tables
from cxrfair.cohort.link import SECONDS_PER_DAY, LinkConfig, link
from cxrfair.cohort.sdoh import SdohConfig, attach
from cxrfair.phantom import PhantomConfig, population
from cxrfair.phantom.writers import _mimic, mimic_iv, mimic_iv_ed
from cxrfair.scales import resolve
from cxrfair.stages.link import link as stage

N_IMAGES, N_IMAGED, N_PATIENTS = 377_110, 65_379, 364_627
N_STAYS = {"admission": 546_028, "emergency": 425_087}
N_COUNTIES, N_TRACTS = 3_142, 84_000
MORE = 1.04  # patients simulated for one wanted: the hospital knows nothing of some
CORES = 2
PARAMS = Path(__file__).parents[1] / "params.yaml"
TABLES = {
    "records": tables.RECORDS,
    "patients": tables.PATIENTS,
    "stays": tables.STAYS,
    "residences": tables.RESIDENCES,
    "values": tables.SURROUNDINGS,
}
COLUMNS = ("link_rung", "link_distance_days", "insurance", "race", "age_years")

Frames = Mapping[str, pd.DataFrame]


def settings() -> tuple[PhantomConfig, LinkConfig, SdohConfig]:
    """Return the demo's sections of params.yaml."""
    params = resolve({**yaml.safe_load(PARAMS.read_text()), "scale": "demo"})
    given = [json.dumps(params[name]) for name in ("phantom", "link", "sdoh")]
    return (
        PhantomConfig.parse(given[0]),
        LinkConfig.parse(given[1], "link"),
        SdohConfig.parse(given[2], "sdoh"),
    )


def simulate(folder: Path, share: float) -> None:
    """Let the phantom write its hospital tables, and keep when everybody's studies were made."""
    config = settings()[0].model_copy(update={"patients": int(N_PATIENTS * share * MORE)})
    for writer in (mimic_iv, mimic_iv_ed):
        for _ in writer.write(config, folder / writer.__name__.rpartition(".")[2]):
            pass
    parts = []
    for numbers in population.blocks(config):
        studies = population.studies(
            config, population.people(config, numbers), _mimic.PROFILE.dataset
        )
        ids = _mimic.subject_ids(config, studies["patient"].to_numpy())
        at = _mimic.study_times(config, studies)
        parts.append(pd.DataFrame({"patient_id": ids.astype(str), "acquired_at": at}))
    pd.concat(parts).to_parquet(folder / "studies.parquet", index=False)


def read(folder: Path) -> dict[str, float]:
    """Read the hospital tables through the adapters, and keep what they gave."""
    start = time.perf_counter()
    hospital = datasets.read("mimic_iv", folder / "mimic_iv", "{}")
    middle = time.perf_counter()
    emergency = datasets.read("mimic_iv_ed", folder / "mimic_iv_ed", "{}")
    end = time.perf_counter()
    for name, source in (("hospital", hospital), ("emergency", emergency)):
        source.patients.to_parquet(folder / f"{name}_patients.parquet", index=False)
        source.stays.to_parquet(folder / f"{name}_stays.parquet", index=False)
    return {
        "admissions": len(hospital.stays),
        "patients": len(hospital.patients),
        "emergency_stays": len(emergency.stays),
        "hospital_seconds": middle - start,
        "emergency_seconds": end - middle,
    }


def size_up(folder: Path, share: float) -> Frames:
    """Cut the phantom's tables to MIMIC's numbers, and draw images, homes and places."""
    random = np.random.default_rng(0)
    patients = _some(pd.read_parquet(folder / "hospital_patients.parquet"), N_PATIENTS * share)
    parts = [
        _some(pd.read_parquet(folder / f"{name}_stays.parquet"), N_STAYS[kind] * share)
        for name, kind in (("hospital", "admission"), ("emergency", "emergency"))
    ]
    return {
        "records": _records(random, pd.read_parquet(folder / "studies.parquet"), share),
        "patients": patients,
        "stays": pd.concat(parts, ignore_index=True),
        **_homes(random, patients["patient_id"]),
    }


def _some(rows: pd.DataFrame, n: float) -> pd.DataFrame:
    """Choose n rows."""
    return rows.sample(int(n), random_state=0, ignore_index=True)


def _records(random: np.random.Generator, studies: pd.DataFrame, share: float) -> pd.DataFrame:
    """Draw which studies images are of; a study has several, of the same time."""
    people = _some(studies[["patient_id"]].drop_duplicates(), N_IMAGED * share)
    theirs = studies.merge(people, on="patient_id")
    rows = theirs.iloc[np.sort(random.integers(0, len(theirs), int(N_IMAGES * share)))]
    rows = rows.reset_index(names="study_id")
    image_ids = np.char.mod("%016x", random.permutation(len(rows)))
    return (
        tables.RECORDS.empty()
        .reindex(rows.index)
        .assign(
            image_id=pd.Series(image_ids, dtype="str"),
            dataset="mimic_cxr",
            patient_id=rows["patient_id"].astype("str"),
            study_id=rows["study_id"].astype("str"),
            path=pd.Series(image_ids, dtype="str") + ".jpg",
            sex=tables.UNKNOWN,
            acquired_at=rows["acquired_at"].dt.as_unit("s"),
        )
    )


def _homes(random: np.random.Generator, patient_ids: pd.Series) -> Frames:
    """Draw where people live and what is known of those places; some is missing."""
    county_of = np.sort(random.integers(0, N_COUNTIES, N_TRACTS))
    counties = pd.Series(np.char.mod("%05d", np.arange(N_COUNTIES)), dtype="str")
    tracts = counties[county_of].reset_index(drop=True) + pd.Series(
        np.char.mod("%06d", np.arange(N_TRACTS)), dtype="str"
    )
    home = random.integers(0, N_TRACTS, len(patient_ids))
    known = random.random(len(home)) < 0.97
    residences = pd.DataFrame(
        {
            "patient_id": patient_ids,
            "county_fips": counties[county_of[home]].reset_index(drop=True).where(known),
            "tract_fips": tracts[home].reset_index(drop=True).where(known),
        }
    )
    parts = [
        pd.DataFrame({"level": level, "fips": fips, "variable": variable})
        for level, fips in (("county", counties), ("tract", tracts))
        for variable in ("ACS_MEDIAN_HH_INC", "SAHIE_PCT_UNINSURED64")
    ]
    values = pd.concat(parts, ignore_index=True)
    drawn = pd.Series(random.normal(100, 10, len(values)))
    values["value"] = drawn.where(random.random(len(values)) < 0.99)
    return {"residences": residences, "values": values}


def multiply(frames: Frames, times: int) -> Frames:
    """Put copies side by side: other patients, images and stays, the same places."""
    wide = {"values": frames["values"]}
    for name in ("records", "patients", "stays", "residences"):
        ids = [c for c in ("image_id", "patient_id", "stay_id") if c in frames[name]]
        copies = [
            frames[name].assign(**{c: frames[name][c] + str(copy) for c in ids})
            for copy in range(times)
        ]
        wide[name] = pd.concat(copies, ignore_index=True)
    return wide


def load(folder: Path) -> Frames:
    """Read the tables of one size."""
    return {name: parquet.read_table(folder / f"{name}.parquet").to_pandas() for name in TABLES}


def save(frames: Frames, folder: Path) -> None:
    """Write the tables of one size."""
    for name, table in TABLES.items():
        table.write(frames[name], folder / f"{name}.parquet")


def ours(frames: Frames) -> pd.DataFrame:
    """Link as the pipeline does."""
    _, config, sdoh = settings()
    linked, _ = link(frames["records"], frames["patients"], frames["stays"], config)
    return attach(linked, frames["residences"], frames["values"], sdoh)[0]


def usual(frames: Frames) -> pd.DataFrame:
    """Link by merging every image with every stay of its patient, filtering and sorting."""
    _, config, sdoh = settings()
    records, patients, stays = (frames[name] for name in ("records", "patients", "stays"))
    best = _best(records, stays, config.nearest_max_days)
    refused = ["UNKNOWN", "UNABLE TO OBTAIN", "PATIENT DECLINED TO ANSWER"]
    known = stays[stays["race"].notna() & ~stays["race"].isin(refused)]
    known = known.sort_values(["kind", "starts_at", "stay_id"], ascending=[False, True, True])
    race = known.drop_duplicates("patient_id", keep="last")[["patient_id", "race"]]
    linked = records.drop(columns=["race", "age_years", "insurance", "sex"])
    linked = linked.merge(patients, on="patient_id", how="left")
    linked = linked.merge(race, on="patient_id", how="left")
    known_ids = pd.concat([patients["patient_id"], stays["patient_id"]])
    someone = records["patient_id"].isin(known_ids)
    rung = best["rung"].fillna(3).astype(int).where(someone, 4)
    age = linked["anchor_age_years"] + linked["acquired_at"].dt.year - linked["anchor_year"]
    linked = linked.assign(
        link_rung=np.array(["admission", "emergency", "nearest", "patient", "none"])[rung],
        link_distance_days=best["days"].where(rung < 3),
        insurance=best["insurance"].where(rung.isin([0, 2])),
        age_years=age.where(age >= 0),
    )
    return _with_places(linked, frames, sdoh)


def _best(records: pd.DataFrame, stays: pd.DataFrame, max_days: float) -> pd.DataFrame:
    """Find each image's stay among all pairs of images and stays of a patient."""
    pairs = records[["image_id", "patient_id", "acquired_at"]].merge(stays, on="patient_id")
    ends = pairs["ends_at"].fillna(pairs["starts_at"])
    pairs["ends_at"] = ends.where(ends > pairs["starts_at"], pairs["starts_at"])
    before = (pairs["acquired_at"] - pairs["ends_at"]).dt.total_seconds()
    after = (pairs["starts_at"] - pairs["acquired_at"]).dt.total_seconds()
    pairs["days"] = np.maximum(np.maximum(before, after), 0) / SECONDS_PER_DAY
    pairs["future"] = after > 0
    admission, inside = pairs["kind"] == "admission", pairs["days"] == 0
    near = admission & (pairs["days"] <= max_days)
    pairs["rung"] = np.select([admission & inside, ~admission & inside, near], [0, 1, 2], 3)
    order = ["image_id", "rung", "days", "future", "ends_at", "starts_at", "stay_id"]
    best = pairs.sort_values(order, ascending=[True, True, True, True, False, True, True])
    best = best.drop_duplicates("image_id").set_index("image_id").reindex(records["image_id"])
    return best.reset_index()


def _with_places(linked: pd.DataFrame, frames: Frames, sdoh: SdohConfig) -> pd.DataFrame:
    """Merge the values of counties and tracts."""
    linked = linked.merge(frames["residences"], on="patient_id", how="left")
    for name, attribute in sdoh.attributes.items():
        level, variable = attribute.variable.split(".")
        wanted = (frames["values"]["level"] == level) & (frames["values"]["variable"] == variable)
        of_place = frames["values"].loc[wanted, ["fips", "value"]]
        of_place = of_place.rename(columns={"fips": f"{level}_fips", "value": f"sdoh_{name}"})
        linked = linked.merge(of_place, on=f"{level}_fips", how="left")
    return linked


def whole_stage(folder: Path) -> None:
    """Run the stage: read, check, link, write."""
    _, config, sdoh = settings()
    tables.ANNOTATIONS.write(tables.ANNOTATIONS.empty(), folder / "annotations.parquet")
    stage(
        records=folder / "records.parquet",
        annotations=folder / "annotations.parquet",
        **{name: (folder / f"{name}.parquet",) for name in TABLES if name != "records"},
        marks=(),
        notes=(),
        config=config,
        sdoh=sdoh,
        linked=folder / "linked.parquet",
        linked_annotations=folder / "linked_annotations.parquet",
        flow=folder / "flow.parquet",
    )


def measured(way: str, folder: Path) -> dict[str, float]:
    """Do one thing in this process, on two cores, and say how long it took and its peak memory."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    pa.set_cpu_count(CORES)
    if way == "read":
        found = read(folder)
    elif way == "stage":
        found = _timed(lambda: whole_stage(folder))
    else:
        frames = load(folder)
        found = {"loaded_gb": _peak_gb()}
        linked: list[pd.DataFrame] = []
        found |= _timed(lambda: linked.append({"ours": ours, "usual": usual}[way](frames)))
        sdoh = [name for name in linked[0] if name.startswith("sdoh_")]
        linked[0][["image_id", *COLUMNS, *sdoh]].to_parquet(folder / f"{way}_linked.parquet")
    return {**found, "peak_gb": _peak_gb()}


def _timed(do: Callable[[], object]) -> dict[str, float]:
    """Time one thing."""
    start = time.perf_counter()
    do()
    return {"seconds": time.perf_counter() - start, "linked_gb": _peak_gb()}


def _peak_gb() -> float:
    """Return the largest memory this process has held so far, in units of 10^9 bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return kib * 1024 / 1e9


def in_a_process(way: str, folder: Path, repeats: int = 1) -> dict[str, float]:
    """Measure something in fresh processes; the median run by seconds."""
    runs = []
    for _ in range(repeats):
        command = [sys.executable, __file__, "--folder", str(folder), "--measure", way]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        runs.append(json.loads(done.stdout))
    found: dict[str, float] = sorted(runs, key=lambda run: run.get("seconds", 0))[len(runs) // 2]
    return found


def equal_shares(folder: Path) -> dict[str, float]:
    """Compare what both ways found, column by column."""
    mine, theirs = (
        pd.read_parquet(folder / f"{way}_linked.parquet").sort_values("image_id", ignore_index=True)
        for way in ("ours", "usual")
    )
    shares = {}
    for name in mine:
        left, right = mine[name], theirs[name]
        if left.dtype.kind == "f":
            same = np.isclose(left, right, equal_nan=True)
        else:
            same = ((left == right) | (left.isna() & right.isna())).to_numpy()
        shares[name] = float(same.mean())
    return shares


def prepare(folder: Path, share: float, times: int) -> dict[str, float]:
    """Make what is not there yet."""
    raw, once, wide = folder / "raw", folder / "once", folder / "wide"
    if not (raw / "studies.parquet").exists():
        start = time.perf_counter()
        simulate(raw, share)
        print(f"simulated in {time.perf_counter() - start:.0f} s")
    found = in_a_process("read", raw)
    if not (wide / "values.parquet").exists():
        frames = size_up(raw, share)
        save(frames, once)
        save(multiply(frames, times), wide)
    return found


def main() -> None:
    """Compare the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--share", type=float, default=1.0, help="of MIMIC's size")
    parser.add_argument("--times", type=int, default=10, help="rows of the large case")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measured(options.measure, options.folder)))
        return
    reading = prepare(options.folder, options.share, options.times)
    print("reading csv.gz:", json.dumps(reading))
    once, wide = options.folder / "once", options.folder / "wide"
    found = {way: in_a_process(way, once, options.repeats) for way in ("ours", "stage", "usual")}
    found["wide"] = in_a_process("ours", wide, options.repeats)
    for way, result in found.items():
        print(f"{way}:", json.dumps({name: round(value, 2) for name, value in result.items()}))
    print("equal:", json.dumps(equal_shares(once)))
    seconds = {way: result["seconds"] for way, result in found.items()}
    print(f"usual way / ours: {seconds['usual'] / seconds['ours']:.1f}")
    print(f"{options.times} times the rows: {seconds['wide'] / seconds['ours']:.1f} times the time")


if __name__ == "__main__":
    main()
