"""A study: which data sets, labels, attributes, variants and seeds belong together."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeInt, StringConstraints, model_validator

from cxrfair.config import Section
from cxrfair.errors import CxrfairError

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Post = Literal["equalised_odds", "equal_opportunity"]
KINDS = ("method", "head", "post")  # what a variant may be, by the key that says which
UNUSED: dict[str, frozenset[str]] = {
    "method": frozenset(),
    "head": frozenset({"rebalance", "train"}),
    "post": frozenset({"rebalance", "settings", "train"}),
}
TAKEN = {"head": "features", "post": "scores"}  # of its upstream
Tuned = Literal["settings", "train"]  # what a search draws, by the keys of a variant
UNIQUE = ("datasets", "external", "labels", "attributes", "products", "downstream", "seeds")
REFERENCES = Path("workflow/references")  # papers' printed numbers, one file each
SEPARATOR = " x "  # between the attributes of an intersection, and between their values


class StudyError(CxrfairError):
    """A study whose parts do not fit together."""


class Variant(Section):
    """One row of a study's tables: a trained network, a last layer, or other thresholds.

    With `method` a network is trained on a (rebalanced) training list.

    `groups` are the attributes (and, for a binary task, labels) whose cells the method is told
    about; empty for methods that are blind to groups. `upstream` names the variant whose model a
    method starts from, where the study has several that would do. `settings` and `train` replace
    values of the method's section and of `train` for this variant alone.

    With `head` in its place last layers are fitted on the features of `upstream`, in as many trials
    as the study says.

    With `post` nothing is trained: the scores are those of `upstream`, and thresholds are fitted
    for each of `groups`, cells of attributes (`group_thresholds`).

    `against` names the variant that this one is compared with, in place of the study's reference.
    """

    method: Name | None = None
    head: Name | None = None
    post: Post | None = None
    rebalance: Name = "none"
    groups: tuple[str, ...] = ()
    upstream: Name | None = None
    against: Name | None = None
    settings: dict[str, Any] = {}
    train: dict[str, Any] = {}

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        kinds = [key for key in KINDS if getattr(self, key) is not None]
        if len(kinds) != 1:
            allowed = " or ".join(f"`{key}`" for key in KINDS)
            raise ValueError(f"{' and '.join(kinds) or 'none'}; allowed: one of {allowed}")
        (kind,) = kinds
        unused = sorted(self.model_fields_set & UNUSED[kind])
        if unused:
            raise ValueError(f"{unused}; a variant with `{kind}` has no use for it, leave it out")
        if kind != "method" and self.upstream is None:
            raise ValueError(
                f"no `upstream`; `{kind}` needs the variant whose {TAKEN[kind]} it takes"
            )
        if kind == "post" and not self.groups:
            raise ValueError("no `groups`; `post` needs the attributes its groups are made of")
        return self


class Search(Section):
    """How the settings of every trained variant of a study are chosen, on validation images.

    Of `draws` draws, one of which is what params.yaml says, `rule` (of `statistics.selection`)
    chooses one. `tuned` is what is drawn: the settings of the method, those of `train`, or both.
    """

    draws: Annotated[int, Field(ge=2)]
    seed: NonNegativeInt
    rule: Literal["overall", "minimax", "dto"]
    tuned: tuple[Tuned, ...] = Field(("settings", "train"), min_length=1)


class Study(Section):
    """One entry of `studies` in params.yaml.

    `external` are those of `datasets` that nobody learns from: the models of the one other data set
    are tested on them too, with thresholds fitted there.

    An attribute may be an intersection, written `sex x age`. `products` are what is kept of every
    model beside its predictions: features of all images, maps of what it looks at in some, and
    whether these point at what is outlined. With a `search` each trained variant's settings are
    chosen among draws before it is trained. `paper` names the file of workflow/references whose
    printed numbers stand beside the study's. `split` and `cohort` replace values of the sections of
    those names. With `inputs: embeddings` networks see the vectors of a linked data set in place of
    pictures. `trials` is how often each variant with a `head` is fitted. `effects` gives, of an
    attribute, the two values (S-, S+) between which its effects on scores are measured, on phantoms
    alone. `downstream` are labels for which heads are fitted anew on the features of every model.
    `guidance` says whose outlines guide networks and judge their maps: what sources annotated, or
    what is true, which is known of phantoms alone.
    """

    datasets: tuple[Name, ...] = Field(min_length=1)
    external: tuple[Name, ...] = ()
    labels: tuple[Name, ...] = Field(min_length=1)
    attributes: tuple[str, ...] = Field(min_length=1)
    reference: Name
    variants: dict[Name, Variant] = Field(min_length=1)
    products: tuple[Literal["embeddings", "maps", "saliency", "pointing"], ...] = ()
    guidance: Literal["source", "truth"] = "source"
    effects: dict[Name, tuple[str, str]] = {}
    downstream: tuple[Name, ...] = ()
    inputs: Literal["images", "embeddings"] = "images"
    split: dict[str, Any] = {}
    cohort: dict[str, Any] = {}
    trials: Annotated[int, Field(ge=1)] = 1
    seeds: tuple[NonNegativeInt, ...] = Field(min_length=1)
    search: Search | None = None
    paper: Name | None = None

    @model_validator(mode="after")
    def _names_hang_together(self) -> Self:
        if self.reference not in self.variants:
            raise ValueError(f"reference {self.reference!r} is not among {list(self.variants)}")
        for field in UNIQUE:
            values = getattr(self, field)
            if len(set(values)) < len(values):
                raise ValueError(f"{field} holds an entry twice: {list(values)}")
        return self

    @model_validator(mode="after")
    def _comparisons_have_two_sides(self) -> Self:
        for name, variant in self.variants.items():
            given = f"variants.{name}.against: {variant.against!r}"
            if variant.against is not None and name == self.reference:
                raise ValueError(f"{given}; the study's reference is compared with none")
            if variant.against is not None and variant.against not in {*self.variants} - {name}:
                others = [other for other in self.variants if other != name]
                raise ValueError(f"{given}; allowed: another variant, {others}")
        return self

    @model_validator(mode="after")
    def _products_have_what_they_need(self) -> Self:
        if "pointing" in self.products and "maps" not in self.products:
            raise ValueError("products: 'pointing' is of maps; add 'maps' to them")
        return self

    @model_validator(mode="after")
    def _external_ones_have_a_home(self) -> Self:
        if not self.external:
            return self
        if odd := [name for name in self.external if name not in self.datasets]:
            raise ValueError(f"external: {odd}; allowed: some of `datasets`, {list(self.datasets)}")
        if len(homes(self)) != 1:
            raise ValueError(
                f"external: {len(homes(self))} other data sets ({', '.join(homes(self)) or 'none'})"
                "; exactly one is needed, whose models these are tested with; pool several under "
                "`data`"
            )
        if self.inputs == "embeddings":
            raise ValueError("external: allowed with inputs 'images' alone, not 'embeddings'")
        if layers := headed(self):
            raise ValueError(f"external: not with last layers (`head`), as in {', '.join(layers)}")
        return self

    @model_validator(mode="after")
    def _upstreams_are_trained(self) -> Self:
        have = trained(self)
        for name, variant in self.variants.items():
            for kind, taken in TAKEN.items():
                if getattr(variant, kind) is not None and variant.upstream not in have:
                    given = f"variants.{name}.upstream: {variant.upstream!r}"
                    raise ValueError(f"{given}; `{kind}` takes the {taken} of one of {list(have)}")
        return self

    def compared_with(self, variant: str) -> str:
        """Name the variant that differences of `variant` are from; of the reference '', none."""
        if variant == self.reference:
            return ""
        return self.variants[variant].against or self.reference


def homes(study: Study) -> tuple[str, ...]:
    """Name the data sets that a study's models learn from, in its order."""
    return tuple(name for name in study.datasets if name not in study.external)


def home_of(study: Study, dataset: str) -> str:
    """Name the data set whose models are tested on `dataset`: itself; of an external one its home.

    Raises
    ------
    StudyError
        If the study has no such data set.
    """
    if dataset not in study.datasets:
        raise StudyError(f"study: no data set {dataset!r}; have {', '.join(study.datasets)}")
    return homes(study)[0] if dataset in study.external else dataset


def trained(study: Study) -> tuple[str, ...]:
    """Name the variants that have a network of their own, in the study's order."""
    return tuple(name for name, variant in study.variants.items() if variant.method is not None)


def headed(study: Study) -> tuple[str, ...]:
    """Name the variants that are last layers on another's features, in the study's order."""
    return tuple(name for name, variant in study.variants.items() if variant.head is not None)


def scored_by(study: Study, variant: str) -> str:
    """Name the variant whose model gives the scores of `variant`: itself, or its upstream."""
    chosen = study.variants[variant]
    return variant if chosen.post is None or chosen.upstream is None else chosen.upstream


def printed(study: Study) -> Path | None:
    """Return the file of the numbers that a study's paper printed; None where it names none."""
    return None if study.paper is None else REFERENCES / f"{study.paper}.yaml"


def single(attributes: Iterable[str]) -> tuple[str, ...]:
    """Return the attributes that intersections like `sex x age` are made of, each once."""
    parts = [part for name in attributes for part in name.split(SEPARATOR)]
    return tuple(dict.fromkeys(parts))


def upstream_of(study: Study, variant: str, method: str) -> str:
    """Name the variant whose model `variant` starts from: its `upstream`, or the only one.

    Parameters
    ----------
    method
        What that model must have been trained with; `|` between methods of which any will do.

    Raises
    ------
    StudyError
        If there is none, several to choose from, or the named one is not of that method.
    """
    kinds = method.split("|")
    fitting = [name for name, v in study.variants.items() if v.method in kinds and name != variant]
    wanted = study.variants[variant].upstream
    found = fitting if wanted is None else [name for name in fitting if name == wanted]
    if len(found) != 1:
        asked = "" if wanted is None else f"upstream {wanted!r} does not fit; "
        have = ", ".join(fitting) or "none"
        raise StudyError(
            f"variants.{variant}: {asked}it starts from a model of "
            f"{' or '.join(map(repr, kinds))}; set `upstream` to one of this study's: {have}"
        )
    return found[0]
