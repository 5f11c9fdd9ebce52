"""TCGA-LUAD: GDC's clinical table, several rows a case, and TCIA's folders of DICOM.

A scan is some pictures of one study, a slice each: what is simulated is the shape of the data, not
a CT. Studies made in bed are single radiographs.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrfair.phantom import noise, output, scene
from cxrfair.phantom.acquisition import MAX_IMAGES, Profile
from cxrfair.phantom.config import PhantomConfig
from cxrfair.phantom.scene import Bytes
from cxrfair.phantom.writers import _dicom, _images

PROFILE = Profile(
    dataset="tcga_luad",
    portable_share=0.45,
    log_gamma=0.05,
    brightness=-0.05,
    contrast=0.18,
    border=0.04,
    grain=0.6,
    laterals=False,
)
SLICES = 3  # of a scan
STUDIES = 2  # of a case at most; a case has one age
CT = _dicom.Detector(bits=16, lowest=0, step=8, signed=True, intercept=-1024)
RADIOGRAPH = _dicom.Detector(bits=14, lowest=1000, step=50)
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SPREAD = 211  # barcodes from all of the six digits
STAGES = (  # words of the early and of the late ones, and their shares
    (("Stage IA", "Stage IB", "Stage IIA", "Stage IIB", "Stage I"), (0.3, 0.3, 0.2, 0.15, 0.05)),
    (("Stage IIIA", "Stage IIIB", "Stage IV", "Stage III"), (0.6, 0.1, 0.25, 0.05)),
)
UNCLEAR = 0.1  # share of cases whose stage is not what the picture shows
GRAVE = ("pleural_effusion", "mass")  # findings of a late stage
MISSING = "'--"
RACES = {
    "white": "white",
    "black": "black or african american",
    "hispanic": "not reported",
    "asian": "asian",
    "other": "american indian or alaska native",
}
COLUMNS = (  # some of the 210 of GDC's newer export
    "project.project_id",
    "cases.submitter_id",
    "demographic.age_at_index",
    "demographic.days_to_birth",
    "demographic.ethnicity",
    "demographic.gender",
    "demographic.race",
    "diagnoses.ajcc_pathologic_stage",
    "diagnoses.classification_of_tumor",
    "treatments.treatment_type",
)
TREATMENTS = ("Pharmaceutical Therapy, NOS", "Radiation Therapy, NOS")


def write(config: PhantomConfig, root: Path) -> Iterator[pd.DataFrame]:
    """Fill `root`, and yield the truth of each image, some patients at a time."""
    with output.Tables(root) as tables:
        tables.add_text("clinical.tsv", "\t".join(COLUMNS) + "\n")
        for scenes in scene.blocks(config, PROFILE):
            numbers = noise.permuted(scenes["patient"].to_numpy(), config.seed, "tcga case")
            images = save(config, scenes.assign(case=[_case(number) for number in numbers]), root)
            cases = images.drop_duplicates("patient").reset_index(drop=True)
            tables.add_text("clinical.tsv", _clinical(config, cases))
            yield images


def save(config: PhantomConfig, scenes: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Write the images of cases below `root`, and return the truth of each.

    Parameters
    ----------
    scenes
        X-rays of cases, with a column `case` of their barcodes; at most `STUDIES` studies of each
        are used.
    """
    images = _identified(config, _sliced(scenes[scenes["study"] < STUDIES]))
    images = _images.save(config, images, root, LAYOUT)
    empty = (images["spoilt"] == "") & ~images["with_pixels"]
    return images.assign(spoilt=images["spoilt"].mask(empty, _dicom.WITHOUT_PIXELS))


def _sliced(scenes: pd.DataFrame) -> pd.DataFrame:
    """Turn the study of each X-ray into a radiograph, or into the slices of a scan."""
    slices = np.where(scenes["portable"], 1, SLICES)
    first = np.repeat(np.cumsum(slices) - slices, slices)
    key = np.repeat(scenes["key"].to_numpy(), slices)
    rows = _framed(scenes, pd.DataFrame({"key": key, "image": np.arange(len(key)) - first}))
    return rows.assign(modality=np.where(rows["portable"], "CR", "CT"))


def _framed(scenes: pd.DataFrame, filed: pd.DataFrame) -> pd.DataFrame:
    """Return the X-ray of each filed image's study as that slice shows it; a radiograph is one."""
    rows = pd.Index(scenes["key"]).get_indexer(filed["key"])
    study: pd.DataFrame = scenes.iloc[rows].reset_index(drop=True)
    image = filed["image"].to_numpy()
    return study.assign(
        image=image,
        image_key=study["key"] * MAX_IMAGES + image,
        zoom=study["zoom"] * (1 + 0.02 * image),
        shift_y=study["shift_y"] + 0.03 * image,
    )


def _identified(config: PhantomConfig, images: pd.DataFrame) -> pd.DataFrame:
    """Add identifiers and path, as TCIA's download makes them."""
    images = images.assign(with_pixels=~_dicom.without_pixels(config, images))
    names = f"tcga/{config.seed}/" + images["key"].astype(str)
    studies = ["-NA-CHEST-" + _dicom.uid(name)[-5:] for name in names]
    series = ["1.000000-" + _dicom.uid(f"{name}/series")[-5:] for name in names]
    slices = "1-" + (images["image"] + 1).astype(str).str.zfill(2)
    folder = "TCGA-LUAD/" + images["case"] + "/" + images["day"].astype(int).map("{:05d}".format)
    images["image_id"] = folder + studies + "/" + series + "/" + slices
    return images.assign(path=images["image_id"] + ".dcm")


def _case(number: int) -> str:
    """Return a case's barcode: TCGA, a site and a participant."""
    left, digits = number * SPREAD, ""
    for _ in range(6):
        left, digit = divmod(left, len(DIGITS))
        digits = DIGITS[digit] + digits
    return f"TCGA-{digits[:2]}-{digits[2:]}"


def _encoder(config: PhantomConfig, images: pd.DataFrame, root: Path) -> _images.Encode:
    """Return what writes each image by its path."""
    headers = {}
    rows: Any = images.itertuples()
    for row in rows:
        tags = {"PatientID": row.case} | ({"ViewPosition": row.view} if row.portable else {})
        headers[root / row.path] = _dicom.Header(
            f"tcga/{config.seed}/{row.image_id}", row.modality, pixels=row.with_pixels, tags=tags
        )
    return partial(_encode, headers)


def _encode(headers: Mapping[Path, _dicom.Header], path: Path, grey: Bytes, how: str) -> None:
    """Write one picture."""
    detector = CT if headers[path].modality == "CT" else RADIOGRAPH
    output.save_bytes(path, _dicom.encode(grey, detector, headers[path]), how)


LAYOUT = _images.Layout(PROFILE, _encoder, _framed)


def _clinical(config: PhantomConfig, cases: pd.DataFrame) -> str:
    """Return lines of `clinical.tsv`: a row for each treatment, and some of other tumours."""
    u = noise.uniform(config.seed, "tcga clinical", cases["patient"].to_numpy(), 7)
    grave = cases[[f for f in GRAVE if f in cases]].any(axis=1).to_numpy()
    late = grave ^ (u[:, 0] < UNCLEAR)
    words = [np.asarray(stages)[noise.choose(u[:, 1], shares)] for stages, shares in STAGES]
    stage = np.where(u[:, 2] < config.missing_share, MISSING, np.where(late, words[1], words[0]))
    lines = []
    rows: Any = cases.itertuples()
    for row, said, chance in zip(rows, stage, u[:, 3:], strict=True):
        person = _person(row, chance[0] < config.missing_share)
        lines += [(*person, said, "primary", treatment) for treatment in TREATMENTS]
        if chance[1] < config.dirt_share:  # an earlier tumour, of another stage
            lines.append((*person, "Stage IIIA", "Prior primary", MISSING))
        if chance[2] < config.dirt_share:  # rows that disagree
            lines.append((*person, "Stage IIB", "primary", MISSING))
    return "".join("\t".join(map(str, line)) + "\n" for line in lines)


def _person(row: Any, silent: bool) -> tuple[object, ...]:
    """Return a case's first columns; of some cases the table knows no person."""
    if silent:
        return ("TCGA-LUAD", row.case, *[MISSING] * 5)
    ethnicity = "hispanic or latino" if row.race == "hispanic" else "not hispanic or latino"
    age, born = int(row.age_years), -int(row.age_years * 365.25)
    return ("TCGA-LUAD", row.case, age, born, ethnicity, row.sex, RACES[row.race])
