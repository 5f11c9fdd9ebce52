"""A small made-up study: tables that a training reads; predictions, cohorts and results."""

import json

import numpy as np
import pandas as pd

from cxrfair import group_thresholds, tables, thresholds
from cxrfair.audit import AuditConfig, Evidence, Model, audit
from cxrfair.pictured import Examples, Seen
from cxrfair.pictured_saliency import Panels
from cxrfair.rebalanced import weigh
from cxrfair.redrawn import count
from cxrfair.report import StudyResults, composition
from cxrfair.report._results import Decoding, Leakage
from cxrfair.report.references import Reference
from cxrfair.selection import choose, select
from cxrfair.sights import Sights
from cxrfair.statistics import cells
from cxrfair.studies import Study, headed, home_of, homes, scored_by, trained

PARTS = ("positive", "negative")
AGES = ("0-20", "20-40", "40-60", "60-80")
CONFIG = AuditConfig(
    metrics=("auroc", "accuracy", "tpr", "fpr", "ppv", "prevalence"),
    forms=("gap", "ratio", "sd", "worst", "mean", "group_gap"),
    comparisons=("pqd", "eom", "eo_diff", "adf", "adf_corrected"),
    matched=("prevalence", "case_mix"),
    resamples=40,
    confidence=0.9,
    seed=3,
    min_group_size=20,
)


def study(**changes):
    return Study.model_validate(
        {
            "datasets": ("nih", "mimic"),
            "labels": ("no_finding", "pleural_effusion"),
            "attributes": ("sex", "age", "sex x age"),
            "reference": "erm",
            "variants": {"erm": {"method": "erm"}, "dro": {"method": "group_dro"}},
            "seeds": (0, 1),
            **changes,
        }
    )


def cohort(dataset, n=600, seed=0):
    """A patient has one sex, and one age or two; few are young; some ages are unknown."""
    rng = np.random.default_rng([seed, len(dataset)])
    patient = np.sort(rng.integers(n // 3, size=n))
    sex = rng.choice(["female", "male"], n // 3)[patient]
    age = rng.choice([*AGES, "unknown"], n, p=[0.03, 0.27, 0.35, 0.25, 0.1])
    frame = pd.DataFrame({"image_id": [f"{dataset}{i:04d}" for i in range(n)], "sex": sex})
    frame = frame.assign(patient_id=[f"p{p}" for p in patient], study_id=frame["image_id"], age=age)
    fold = rng.choice(["train", "validation", "test"], n // 3, p=[0.4, 0.2, 0.4])[patient]
    blank = {"view": "PA", "age_years": 50.0, "race": "white", "insurance": "x", "link_rung": None}
    return frame.assign(**blank), fold


def predictions(of, frame, fold, model, seed=0):
    rng = np.random.default_rng([seed, len(model.dataset)])
    parts = []
    for number, label in enumerate(of.labels):
        target = (rng.random(len(frame)) < 0.5 - 0.2 * number).astype(float)
        target[rng.random(len(frame)) < 0.05 * number] = np.nan
        own = np.random.default_rng([model.seed, number, len(model.variant)])
        signal = np.nan_to_num(target) + own.normal(size=len(frame))
        rows = {"label": label, "fold": fold, "target": target, "score": 1 / (1 + np.exp(-signal))}
        parts.append(frame[["image_id"]].assign(**rows))
    return pd.concat(parts, ignore_index=True).astype({"score": "float32"})


def evidence(of, n=600):
    """Everything `audit` takes: (models, cohorts)."""
    models, cohorts = {}, {}
    rule = thresholds.ThresholdConfig(rule="max_f1")
    for dataset in (*homes(of), *of.external):
        cohorts[dataset], fold = cohort(dataset, n)
        if dataset in of.external:
            fold = np.full(n, "test")
        for variant in of.variants:
            for seed in of.seeds:
                scored = Model(dataset, scored_by(of, variant), seed)
                rows = predictions(of, cohorts[dataset], fold, scored)
                if dataset in of.external:
                    at_home = models[Model(home_of(of, dataset), variant, seed)]
                    models[Model(dataset, variant, seed)] = Evidence(rows, at_home.thresholds)
                    continue
                seen, chosen = rows[rows["fold"] == "validation"], of.variants[variant]
                fitted = thresholds.fit(seen, rule)
                if chosen.post is not None:
                    groups = group_thresholds.groups(cohorts[dataset], chosen.groups)
                    fitted = group_thresholds.fit(seen, groups, chosen.post, fitted)
                models[Model(dataset, variant, seed)] = Evidence(rows, fitted)
    return models, cohorts


def probed(of, cohorts):
    """What probes might say of every model: more of seed 1 than of seed 0."""
    groups = {
        attribute: ["between", *cells.group_values(cohorts[of.datasets[0]], attribute).unique()]
        for attribute in of.attributes
    }
    rows = [
        {"dataset": d, "variant": v, "seed": s, "fold": f, "attribute": a, "group": g}
        | {"label": label, "within": within, "value": 0.6 + s / 10}
        for d in homes(of)
        for v in trained(of)
        for s in of.seeds
        for f in ("validation", "test")
        for a, names in groups.items()
        for g in names
        if "unknown" not in g
        for label, within in [("any", "all"), *((x, w) for x in of.labels for w in PARTS)]
    ]
    frame = pd.DataFrame(rows).assign(study="quick", n=50, n_positive=25, n_patients=30)
    ends = {"ci_low": frame["value"] - 0.1, "ci_high": frame["value"] + 0.1}
    noted = frame.assign(**ends, note=pd.Series(None, frame.index, "str"))
    return noted[tables.ATTRIBUTE_LEAKAGE.schema.names]


def localised(of):
    """What maps of every model might say: nodules are few."""
    rows = [
        {"dataset": d, "variant": v, "seed": s, "label": label, "value": 0.2 + s / 10, "n": n}
        for d in of.datasets
        for v in trained(of)
        for s in of.seeds
        for label, n in (("any", 60), ("nodule", 5))
    ]
    frame = pd.DataFrame(rows)
    value = frame["value"]
    numbers = {"ci_low": value - 0.1, "ci_high": value + 0.1, "expected": 0.1, "elsewhere": 0.15}
    lift = {"lift": value / 0.1, "lift_low": value / 0.1 - 1, "lift_high": value / 0.1 + 1}
    apart = dict.fromkeys(("difference", "difference_low", "difference_high"), np.nan)
    named = frame.assign(study="quick", looked_at=0.25, n_patients=frame["n"], note=None)
    return named.assign(**numbers, **lift, **apart)[tables.LOCALISATION.schema.names]


def pointed(of):
    """How often points of every model might hit: the later a variant, the better it points.

    Few of the young have a mask.
    """
    variants = trained(of)
    rows = [
        {**model, "label": label, "attribute": attribute, "group": group, "n": count}
        | {"statistic": "gap" if group == "between" else "hit_rate"}
        | {"value": 0.2 + worth + 0.1 * variants.index(model["variant"]) + model["seed"] / 50}
        for model in _models(of, of.datasets)
        for label in of.labels
        for attribute, groups in pointed_groups(of).items()
        for group, count, worth in groups
    ]
    frame = _numbers(pd.DataFrame(rows))
    rates = frame["statistic"].eq("hit_rate")
    frame = frame.assign(
        n_patients=frame["n"] * 3 // 4,
        expected=np.where(rates, 0.1, np.nan),
        p_value=np.where(frame["difference"].notna(), 0.04, np.nan),
    )
    said = f"fewer than {CONFIG.min_group_size} images"
    note = frame["note"].mask(rates & frame["n"].lt(CONFIG.min_group_size), said)
    note = note.mask(~rates & frame["attribute"].eq("age"), f"enters with {said}: 0-20")
    return frame.assign(note=note)[tables.POINTING.schema.names]


def pointed_groups(of):
    """Groups, how many of their images have a mask, and what is added to their hit rate."""
    found = {"all": [("all", 200, 0.0)]}
    if "sex" in of.attributes:
        found["sex"] = [("female", 90, 0.05), ("male", 110, -0.05), ("between", 200, -0.1)]
    if "age" in of.attributes:
        found["age"] = [("0-20", 5, 0.1), ("40-60", 195, 0.0), ("between", 200, -0.1)]
    return found


def sighted(of):
    """Two pictures of each label, and maps of 2 x 2 cells that are largest in the first one."""
    pairs = [label for label in of.labels for _ in range(2)]
    e = len(pairs)
    pixels = np.arange(e * 8 * 8, dtype=np.int64).reshape(e, 8, 8).astype(np.uint8)
    masks = np.zeros((e, 8, 8), bool)
    masks[:, :3, :3] = True
    cells = np.tile(np.array([[0.7, 0.1], [0.15, 0.05]], np.float32), (e, 1, 1))
    maps = {name: cells + np.float32(n) for n, name in enumerate(trained(of))}
    return Sights(pixels, tuple(pairs), masks, maps)


def _models(of, datasets=None):
    """Data set, variant and seed of every model that was trained, on the data sets of that."""
    names = ("dataset", "variant", "seed")
    keys = ((d, v, s) for d in datasets or homes(of) for v in trained(of) for s in of.seeds)
    return [dict(zip(names, key, strict=True)) for key in keys]


def _numbers(frame):
    """Give values their intervals, and a difference from the first variant."""
    value, away = frame["value"], frame["variant"] != frame["variant"].iloc[0]
    return frame.assign(
        ci_low=value - 0.1,
        ci_high=value + 0.1,
        difference=np.where(away, 0.05, np.nan),
        difference_low=np.where(away, -0.02, np.nan),
        difference_high=np.where(away, 0.12, np.nan),
        study="quick",
        note=pd.Series(None, frame.index, "str"),
    )


def affected(of):
    """What attributes might do to the answers of every model: total = direct + indirect."""
    variants = trained(of)
    rows = [
        {**model, "label": label, "attribute": name, "minus": minus, "plus": plus, "of": kind}
        | {"effect": effect, "value": value * (1 + variants.index(model["variant"]) / 5)}
        for model in _models(of)
        for label in of.labels
        for name, (minus, plus) in of.effects.items()
        for kind in ("score", "decision")
        for effect, value in (("direct", -0.1), ("indirect", 0.04), ("total", -0.06))
    ]
    if not rows:
        return tables.EFFECTS.empty()
    frame = pd.DataFrame(rows).assign(n=60, n_patients=40)
    return _numbers(frame)[tables.EFFECTS.schema.names]


def overlapping(of):
    """What saliency maps of every model might share."""
    rows = [
        {**model, "label": label, "attribute": name, "minus": minus, "plus": plus, "value": 0.3}
        for model in _models(of)
        for label in of.labels
        for name, (minus, plus) in of.effects.items()
    ]
    frame = _numbers(pd.DataFrame(rows)).assign(n=60, n_patients=40, blank=4)
    return frame.assign(expected=0.2, elsewhere=0.25)[tables.OVERLAP.schema.names]


def refitted(of):
    """How well heads for other labels might do: of nodules few are known."""
    numbers = {"auroc": 0.7, "accuracy": 0.8, "balanced_accuracy": 0.6, "always_no": 0.75}
    rows = [
        {**model, "label": label, "metric": metric, "value": value, "n_positive": n}
        for model in _models(of)
        for label, n in zip(of.downstream, (40, 5), strict=False)
        for metric, value in numbers.items()
    ]
    if not rows:
        return tables.DOWNSTREAM.empty()
    frame = pd.DataFrame(rows).assign(n=160, n_patients=90)
    return _numbers(frame)[tables.DOWNSTREAM.schema.names]


def tried(of):
    """What five trials of every head might say, and the one of what was trained whole."""
    heads = {name for name, own in of.variants.items() if getattr(own, "head", None)}
    numbers = {"auroc": 0.8, "balanced_accuracy": 0.7, "eo_diff": 0.3, "af": 0.4}
    places = [("all", name) for name in ("auroc", "balanced_accuracy")]
    places += [(attribute, name) for attribute in of.attributes for name in ("eo_diff", "af")]
    rows = [
        {"dataset": d, "variant": v, "seed": s, "trial": t, "attribute": attribute}
        | {"metric": name, "value": numbers[name] - 0.02 * i + 0.001 * t + 0.01 * s}
        for d in of.datasets
        for i, v in enumerate(of.variants if heads else ())
        for s in of.seeds
        for t in range(5 if v in heads else 1)
        for attribute, name in places
    ]
    if not rows:
        return tables.TRIALS.empty()
    frame = pd.DataFrame(rows).assign(study="quick", n_labels=len(of.labels), note=None)
    return frame[tables.TRIALS.schema.names]


def rebalanced(of, cohorts, splits, targets):
    """What lists hold in which the first half of the training images lies three times."""
    named = {trained_on.rebalance for trained_on in of.variants.values()} - {"none"}
    found = []
    for dataset in homes(of) if named else ():
        ids = splits[dataset].query("fold == 'train'")["image_id"]
        rows = pd.concat([ids, *[ids[: len(ids) // 2]] * 2], ignore_index=True)
        listed = pd.DataFrame({"image_id": rows, "weight": 1.0})
        lists = {(name, seed): listed for name in sorted(named) for seed in of.seeds}
        people = cohorts[dataset], targets[dataset], splits[dataset]
        found.append(weigh(("quick", dataset), of, lists, people))
    return pd.concat(found, ignore_index=True) if found else tables.TRAINED_ON.empty()


def covering(of):
    """How lists might cover a large cell and a small one; a third stays whole."""
    named = {own.rebalance for own in of.variants.values()} - {"none"}
    rows = [
        {"dataset": d, "rebalance": name, "seed": s, "cell": cell, "n": n, "kept": n - out}
        | {"n_patients": n // 2, "looked_at": out, "largest": 2.0 + s, "random": 2.5}
        for d in homes(of)
        for name in sorted(named)
        for s in of.seeds
        for cell, n, out in (("female", 400, 100), ("male", 30, 10), ("unknown", 10, 0))
    ]
    if not rows:
        return tables.COVERAGE.empty()
    found = pd.DataFrame(rows).assign(study="quick", over="sex", note=None)
    whole = found["looked_at"].eq(0)
    found.loc[whole, ["largest", "random"]] = np.nan
    found.loc[whole, "note"] = "no image is left out"
    return found[tables.COVERAGE.schema.names]


def lists_of(of, n=600):
    """The same of a study of which nothing else is needed."""
    cohorts, splits, targets = {}, {}, {}
    for dataset in of.datasets:
        cohorts[dataset], fold = cohort(dataset, n)
        splits[dataset] = cohorts[dataset][["image_id"]].assign(fold=fold)
        targets[dataset] = predictions(of, cohorts[dataset], fold, Model(dataset, "erm", 0))
    return rebalanced(of, cohorts, splits, targets)


def redrawn(of, cohorts, splits, targets):
    """What methods that choose might choose: every fourth image out, every third three times."""
    found, repeats = [], {"low_loss": np.array([0, 1, 1, 1]), "jtt": np.array([3, 1, 1])}
    keys = [(name, v.method) for name, v in of.variants.items() if v.method in repeats]
    for dataset in homes(of) if keys else ():
        ids = splits[dataset].query("fold == 'train'")["image_id"]
        drawn = {
            (name, seed): pd.DataFrame(
                {"image_id": ids, "repeats": np.resize(repeats[method], len(ids))}
            )
            for name, method in keys
            for seed in of.seeds
        }
        people = cohorts[dataset], targets[dataset], splits[dataset]
        found.append(count(("quick", dataset), of, drawn, people))
    return pd.concat(found, ignore_index=True) if found else tables.REDRAWN.empty()


def panels(of):
    """Two pictures and, of each variant, what speaks for the first label and attribute."""
    name = next(iter(of.effects))
    pixels = np.arange(2 * 8 * 8, dtype=np.uint8).reshape(2, 8, 8)
    masks = np.zeros((2, 8, 8), bool)
    masks[:, 2:5, 2:5] = True
    seen = {name: pixels + 3 * (name != of.reference) for name in trained(of)}
    maps = dict.fromkeys(trained(of), np.stack([pixels, pixels[::-1]]))
    return Panels((of.labels[0], name), masks, pixels, seen, maps)


def pictured(of):
    """Two pictures, of which every variant looks at one cell in four."""
    cells = np.tile([[True, False], [False, False]], (2, 1, 1))
    seen = Seen("relevance", ("edema", "not edema"), cells, np.ones((2, 2, 2), np.int16))
    pixels = np.arange(2 * 8 * 8, dtype=np.uint8).reshape(2, 8, 8)
    masks = np.zeros((2, 1, 8, 8), bool)
    masks[:, :, 2:5, 2:5] = True
    return Examples(pixels, ("edema",), masks, dict.fromkeys(trained(of), seen))


SETTINGS = {
    "erm": {"weighted_bce": False},
    "group_dro": {"step_size": 0.01},
    "jtt": {"upweight": 5},
    "low_loss": {"share": 0.25, "q": 0.7},
    "aligner": {"random_maps": False},
}


def cards(of):
    """What may lie beside the weights of every model that was trained."""
    stated = {
        "text": "none",
        "batch_statistics": "one mixed forward pass",
        "provenance": "none",
        "source": "A paper, 2020",
    }
    return {
        (dataset, name, seed): {
            "method": of.variants[name].method,
            "settings": SETTINGS[of.variants[name].method] | of.variants[name].settings,
            "groups": list(of.variants[name].groups),
            "epochs": 2,
            **stated,
        }
        for dataset in homes(of)
        for name in trained(of)
        for seed in of.seeds
    } | {
        (dataset, name, seed): {
            "settings": {"alpha": 1.0} | of.variants[name].settings,
            **{"trials": 5, "notes": [], "source": "A paper, 2020"},
        }
        for dataset in homes(of)
        for name in headed(of)
        for seed in of.seeds
    }


def searched(of, seen, cohorts):
    """What a search might have found: seeds in place of draws."""
    found = []
    for dataset, variant in [(d, v) for d in homes(of) for v in trained(of) if of.search]:
        alone = of.model_copy(update={"datasets": (dataset,), "reference": variant})
        draws = {n: seen[Model(dataset, variant, s)] for n, s in enumerate(of.seeds)}
        rows = choose(alone, draws, cohorts[dataset], of.search.rule)
        values = [f'{{"settings": {{"rate": 0.{n}}}, "train": {{}}}}' for n in draws]
        place = {"study": "quick", "dataset": dataset, "variant": variant, "rule": of.search.rule}
        found.append(rows.assign(**place, settings=values)[tables.SEARCH.schema.names])
    return pd.concat(found, ignore_index=True) if found else tables.SEARCH.empty()


def results(simulated=frozenset({"mimic"}), n=600, lists=None, **changes):
    """What a report takes; `lists` is section `rebalance` of params.yaml."""
    of = study(**changes)
    models, cohorts = evidence(of, n)
    judged = audit("quick", of, models, cohorts, CONFIG)
    first = {d: models[Model(d, of.reference, of.seeds[0])].predictions for d in of.datasets}
    splits = {d: p.drop_duplicates("image_id")[["image_id", "fold"]] for d, p in first.items()}
    learnt = {key: e for key, e in models.items() if key.dataset not in of.external}
    seen = {key: e.predictions.query("fold == 'validation'") for key, e in learnt.items()}
    leakage = tables.ATTRIBUTE_LEAKAGE.empty()
    if "embeddings" in of.products:
        leakage = probed(of, cohorts)
    maps, saliency = "maps" in of.products, "saliency" in of.products
    points = "pointing" in of.products
    fitted = [row.thresholds.assign(**key._asdict()) for key, row in models.items()]
    return StudyResults(
        name="quick",
        study=of,
        **judged._asdict(),
        flows={d: flow(n) for d in of.datasets},
        composition=composition.count(of, cohorts, splits, first),
        thresholds=pd.concat(fitted, ignore_index=True),
        decoding={d: Decoding(n, n // 10, 3, 0.25, 0.5) for d in of.datasets},
        cuts={d: {} for d in of.datasets},
        leakage={d: gate(d in of.external, n) for d in of.datasets},
        simulated=simulated,
        facts={"Backbone": "<test_resnet> & friends"},
        resamples=CONFIG.resamples,
        confidence=CONFIG.confidence,
        min_group_size=CONFIG.min_group_size,
        cards=cards(of),
        titles={"nih": "NIH"},
        attribute_leakage=leakage,
        localisation=localised(of) if maps else tables.LOCALISATION.empty(),
        examples={d: pictured(of) for d in of.datasets if maps and d in simulated},
        pointing=pointed(of) if points else tables.POINTING.empty(),
        sights={d: sighted(of) for d in of.datasets if points and d in simulated},
        lists=lists or {},
        effects=affected(of),
        overlap=overlapping(of) if saliency else tables.OVERLAP.empty(),
        panels={d: panels(of) for d in homes(of) if saliency and d in simulated},
        downstream=refitted(of),
        trials=tried(of),
        rebalanced=rebalanced(of, cohorts, splits, first),
        coverage=covering(of),
        drawn=redrawn(of, cohorts, splits, first),
        search=searched(of, seen, cohorts),
        paper=None if of.paper is None else printed(),
        selection=select("quick", of, seen, cohorts, leakage.query("fold == 'validation'")),
    )


def gate(external, n):
    """What the gate between folds might find; a data set that is tested only has no other."""
    share = (None, None, None) if external else (n // 4, n // 5, 0.8)
    return Leakage(n // 3, n, *share)


def _claim(metric, change, printed, **changes):
    says = {"says": f"{metric} by {printed}", "where": "Abstract", "variants": ["dro", "never"]}
    return {**says, "metric": metric, "change": change, "printed": printed, **changes}


CLAIMS = [
    _claim("accuracy", "difference", -0.02),
    _claim("accuracy_sd", "reduction", 0.6, attributes=["sex", "age"], note="Made up."),
    _claim("fnr", "difference", 0.01),
    _claim("accuracy", "reduction", 0.3, attributes=["age"], minorities=True),
    _claim("entropy", "increase", 0.37, attributes=["sex"], variants=["even"]),
    _claim("examples", "increase", 0.15, variants=["even"]),
    _claim("brier", "reduction", 0.1),
    _claim(None, "difference", 0.08, says="Made up", note="Not measured."),
]


COUNTED = {  # with a total that is not their sum
    "number": "Table 0",
    "caption": "Made-up counts.",
    "dataset": "nih",
    "attribute": "sex",
    "rows": [
        {"group": "male", "called": ["Men"], "printed": 3000},
        {"group": "female", "called": ["Women"], "printed": 2000},
    ],
    "total": 5001,
    "footnotes": [{"text": "One too many.", "at": [{"row": "all"}]}],
}


def printed(**changes):
    """What a paper might print of some data sets and groups of the made-up study, and of others."""
    erm = {"sex": {"nih": [0.711, 0.9, 0.8], "padchest": [0.1, 0.2, 0.3]}}
    dro = {"sex": {"nih": [0.722, None, 0.7]}, "age": {"nih": [0.733, 0.6, 0.5]}}
    table = {
        "number": "Table 1",
        "caption": "Made up.",
        "columns": [
            {"metric": "accuracy", "heading": "Acc"},
            {"metric": "pqd", "heading": "PQD"},
            {"metric": "accuracy_gap", "heading": "Gap"},
        ],
        "blocks": [
            {"attribute": "race", "heading": "By race"},
            {"attribute": "age", "heading": "By age"},
            {"attribute": "sex", "heading": "By sex"},
        ],
        "rows": [
            {"name": "Plain", "variant": "erm", "printed": erm},
            {"name": "Robust", "variant": "dro", "printed": dro},
            {"name": "Lost", "variant": "never", "printed": {"age": {"nih": [0.744, 0.4, 0.3]}}},
        ],
        **changes,
    }
    paper = {"title": "A paper", "citation": "A. Body", "tables": [table], "claims": CLAIMS}
    text = json.dumps(paper | {"groups": COUNTED})
    return Reference.model_validate_json(text)


def flow(n):
    """Steps that lose many, few, few and none."""
    out = np.array([n + 105, n + 100, n, n])
    return pd.DataFrame(
        {
            "position": range(4),
            "step": ["Frontal", "Dated", "Known", "Read"],
            "images_in": [n + 400, *out[:-1]],
            "images_out": out,
            "images_lost": [295, 5, 100, 0],
            "patients_out": [400, 398, 300, 300],
            "why": ["lateral", "no date", "attribute unknown", None],
        }
    )


FOLDS = ("train", "train", "validation", "train")


def training(n=48, size=32):
    """Return the tables a training reads, by name, and pixels: bright images are positive."""
    images = pd.Series([f"i{number:02d}" for number in range(n)], dtype="str")
    number = np.arange(n)
    fold = np.array(FOLDS)[number % 8 // 2]
    sex = np.where(number % 3, "female", "male")
    place = {"patient_id": images, "study_id": images, "view": "PA", "official_fold": None}
    person = {"age_years": np.float32(50), "sex": sex, "age": "40-60", "race": "white"}
    cohort = pd.DataFrame({"image_id": images, **place, **person, "insurance": "unknown"})
    bright = number % 2
    has = pd.DataFrame({"image_id": images, "edema": bright, "nodule": number // 2 % 2})
    targets = has.melt("image_id", var_name="label", value_name="target")
    listed = images[fold == "train"]
    order = np.arange(len(listed))
    whole = pd.array(np.full(n, size), "Int32")
    shade = np.random.default_rng(0).integers(-40, 40, (n, size, size))
    return {
        "pixels": (shade + np.where(bright, 160, 90)[:, None, None]).astype(np.uint8),
        "cohort": cohort.assign(link_rung=None),
        "targets": targets.astype({"target": "Int8"}),
        "splits": pd.DataFrame({"image_id": images, "fold": fold, "cell": "all"}),
        "listed": pd.DataFrame(
            {"position": order, "image_id": listed, "weight": 1.0, "augmentation_seed": order}
            | {"partner": None, "share": np.nan, "guided": None}
        ),
        "index": pd.DataFrame(
            {"image_id": images, "row": number, "checksum": "x", "quarantine": None}
        ).assign(width=whole, height=whole, decode_error=np.float32(np.nan)),
    }
