import pandas as pd

from cxrfair.report.composition import count


def test_by_hand(made):
    study = made.study(datasets=("nih",), labels=("mass",), attributes=("sex",))
    cohort = pd.DataFrame(
        {"image_id": list("abcd"), "patient_id": ["p", "p", "q", "r"], "sex": ["m", "m", "m", "f"]}
    )
    splits = pd.DataFrame({"image_id": list("dcba"), "fold": ["test", "test", "train", "train"]})
    targets = pd.DataFrame({"image_id": list("abcd"), "label": "mass", "target": [1, None, 0, 1]})
    rows = count(study, {"nih": cohort}, {"nih": splits}, {"nih": targets})
    found = rows.set_index(["attribute", "group", "fold", "label"])[
        ["n", "n_positive", "n_patients"]
    ]
    assert found.loc["sex", "m", "train", "any"].tolist() == [2, 1, 1]
    assert found.loc["sex", "m", "train", "mass"].tolist() == [1, 1, 1]
    assert found.loc["sex", "m", "test", "mass"].tolist() == [1, 0, 1]
    assert found.loc["all", "all", "test", "any"].tolist() == [2, 1, 2]
    assert found.loc["all", "all", "validation", "mass"].tolist() == [0, 0, 0]


def test_doubts_are_counted_beside_those_judged_and_images_in_no_fold_not_at_all(made):
    study = made.study(datasets=("nih",), labels=("edema", "mass"), attributes=("sex",))
    cohort = pd.DataFrame(
        {"image_id": list("abcd"), "patient_id": list("ppqr"), "sex": list("mmff")}
    )
    splits = pd.DataFrame({"image_id": list("abc"), "fold": ["train", "train", "train"]})
    targets = pd.DataFrame(
        {
            "image_id": list("abcdabcd"),
            "label": ["mass"] * 4 + ["edema"] * 4,
            "target": [-1, 1, -1, -1, 0, -1, None, -1],
        }
    )
    rows = count(study, {"nih": cohort}, {"nih": splits}, {"nih": targets})
    found = rows.set_index(["group", "fold", "label"])[
        ["n", "n_positive", "n_uncertain", "n_patients"]
    ]
    assert found.loc["all", "train", "mass"].tolist() == [1, 1, 2, 1]
    assert found.loc["all", "train", "edema"].tolist() == [1, 0, 1, 1]
    assert found.loc["all", "train", "any"].tolist() == [3, 1, 3, 2]
    assert found.loc["m", "train", "mass"].tolist() == [1, 1, 1, 1]
    assert found.loc["f", "train", "mass"].tolist() == [0, 0, 1, 0]
