"""A page of every training method, and their index, out of the methods' own files.

`python tests/conformance/pages.py` writes docs/methods/<name>.md and docs/methods.md. A page holds
what the class's docstring says, what the class states (source, groups, ...), and its settings, with
meaning and range from the class and values from params.yaml.
"""

import inspect
import re
import sys
from pathlib import Path

import yaml

from cxrfair import methods, ranges
from cxrfair.scales import SCALES

REPO = Path(__file__).parents[2]
FOLDER, INDEX = REPO / "docs" / "methods", REPO / "docs" / "methods.md"
HEADING = re.compile(r"^(\S.*)\n-{3,}\n", re.M)
NEEDED, ALLOWED = ("Formula", "Fails when"), ("Formula", "Fails when", "Here")
TITLES = {"Here": "What is decided here"}  # of a page, where a docstring is shorter
PRESENT = "erm"  # what the study of the examples has a variant of already, by that name
GUIDED = "guided_100"  # the training list in which every outline guides
MOMENTS = {"early": "the early weights", "selected": "the chosen weights"}
LEAD = "<!-- Written by tests/conformance/pages.py from the method's file. -->\n"
HEAD = """# Methods

How a network is pushed towards its targets. All train on one engine ([training.md](training.md)),
so that they differ in what they claim to differ in. Each has a page: what it does, its formula, its
settings, when it fails or does harm, and what is decided where its paper is silent.
[conformance.md](conformance.md) says what each is held to.

A method that is `told` of groups reads them in training; a `blind` one never does. At inference no
method needs them.

"""
FOOT = """
A study names a method in each of its variants, with `groups` for those that are told of them, and
`upstream` for those that start from a model:

```yaml params
studies:
  quickstart:
    variants:
      mmd_by_sex_and_age: {method: mmd, groups: [sex, age], settings: {weight: 0.3}}
      jtt: {method: jtt, upstream: erm}
```

Values for all variants stand in `methods` of params.yaml, those of a variant in its `settings`.
Ranges are what a search draws from.
"""


def parts(kind):
    """Return what a method's docstring says before its first heading, and below each."""
    text = inspect.cleandoc(kind.__doc__)
    lead, *rest = HEADING.split(text)
    return lead.strip(), dict(zip(rest[::2], map(str.strip, rest[1::2]), strict=True))


def faults(name):
    """List what a docstring lacks to be a page."""
    lead, below = parts(methods.get(name))
    found = [f"methods.{name}: no heading `{h}` in its docstring" for h in NEEDED if h not in below]
    found += [f"methods.{name}: nothing below `{h}`" for h, text in below.items() if not text]
    if odd := [heading for heading in below if heading not in ALLOWED]:
        found.append(f"methods.{name}: headings {odd}; allowed: {', '.join(ALLOWED)}")
    return found + ([] if lead else [f"methods.{name}: nothing before its first heading"])


def plain(text):
    """Keep a line that begins with an operator from being read as an entry of a list."""
    return re.sub(r"^([-+*]) ", r"\\\1 ", text, flags=re.M)


def formula(text):
    """Show equations as they are written: they stand before a paragraph that explains them."""
    first, _, rest = text.partition("\n\n")
    return f"```\n{first}\n```\n\n{plain(rest)}" if rest else plain(first)


def table(head, rows):
    lines = [
        head,
        ["---"] * len(head),
        *([str(c).replace("|", "\\|") for c in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def told(kind):
    return "told" if kind.uses_groups else "blind"


def start(kind):
    """Say which model a method starts from."""
    if not kind.needs:
        return "no other model"
    upstream, when = kind.needs.split("@")
    of = " or ".join(f"[`{name}`]({name}.md)" for name in upstream.split("|"))
    return f"{MOMENTS[when]} of a variant of {of}"


def facts(kind):
    said = {
        "source": kind.source,
        "groups": f"{told(kind)} of them" if kind.uses_groups else "blind to them",
        "starts from": start(kind),
        "batch statistics": kind.batch_statistics,
        "computed from training images beside the loss": kind.provenance,
    }
    return table(["", ""], said.items())


def written(value):
    """Write a value as params.yaml does."""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def default(value):
    """Write a value of params.yaml, one a scale where they differ."""
    if isinstance(value, dict) and set(value) == set(SCALES):
        return ", ".join(f"{written(value[scale])} ({scale})" for scale in SCALES)
    return written(value)


def limits(found):
    """Write the range that a search draws from."""
    if isinstance(found, ranges.Among):
        return ", ".join(map(written, found.values))
    return f"{found.low:g} to {found.high:g}" + (", evenly in its logarithm" if found.log else "")


def settings(name, values):
    """Return the table of a method's settings."""
    kind = methods.get(name).config_type
    if not kind.model_fields:
        return "None of its own.\n"
    found = ranges.of(kind)
    rows = [
        (f"`methods.{name}.{key}`", default(values[key]), limits(found[key]), field.description)
        for key, field in kind.model_fields.items()
    ]
    return table(["setting", "value", "range of a search", "means"], rows)


def recipe(name, values):
    """Return the table of what a method's variants take in place of `train`."""
    rows = []
    for key, value in values.items():
        nested = isinstance(value, dict) and set(value) != set(SCALES)
        parts = {f"{key}.{k}": v for k, v in value.items()} if nested else {key: value}
        rows += [(f"`recipes.{name}.{k}`", default(part)) for k, part in parts.items()]
    return table(["setting", "value, in place of that of `train`"], rows)


def example(name):
    """Return a variant that trains with the method, to be laid over params.yaml."""
    kind = methods.get(name)
    words = [f"method: {name}"]
    words += ["groups: [sex]"] * kind.uses_groups
    upstream = kind.needs.split("@")[0].split("|")[0]
    words += [f"upstream: {upstream}"] * bool(upstream)
    words += [f"rebalance: {GUIDED}"] * kind.reads_masks
    lines = [f"      {upstream}: {{method: {upstream}}}\n"] * (upstream not in ("", PRESENT))
    lines.append(f"      {name}: {{{', '.join(words)}}}\n")
    return f"```yaml params\nstudies:\n  quickstart:\n    variants:\n{''.join(lines)}```\n"


def title(kind):
    return inspect.getdoc(inspect.getmodule(kind)).splitlines()[0].rstrip(".")


def page(name, params):
    """Return a method's page, its values from params.yaml."""
    kind = methods.get(name)
    if wrong := faults(name):
        raise ValueError("\n".join(wrong))
    lead, below = parts(kind)
    chapters = [
        (TITLES.get(heading, heading), (formula if heading == "Formula" else plain)(text))
        for heading, text in below.items()
    ]
    chapters[1:1] = [("Settings", settings(name, params["methods"][name]).strip())]
    if name in params["recipes"]:
        chapters[2:2] = [("Recipe", recipe(name, params["recipes"][name]).strip())]
    chapters.append(("In a study", example(name).strip()))
    text = "\n\n".join(f"## {heading}\n\n{text}" for heading, text in chapters)
    return f"# `{name}`: {title(kind)}\n\n{LEAD}\n{plain(lead)}\n\n{facts(kind)}\n{text}\n"


def first_sentence(text):
    """Return a text up to its first full stop."""
    return re.split(r"(?<=\.)\s", " ".join(text.split()), maxsplit=1)[0].rstrip(".")


def index():
    """Return the page that lists all methods."""
    rows = [
        (f"[`{name}`](methods/{name}.md)", told(kind), first_sentence(parts(kind)[0]), kind.source)
        for name, kind in ((name, methods.get(name)) for name in methods.names())
    ]
    return HEAD + LEAD + "\n" + table(["method", "groups", "does", "source"], rows) + FOOT


def params():
    """Return params.yaml as it is written, all scales beside each other."""
    return yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8"))


def pages():
    """Return every page by its place."""
    given = params()
    made = {FOLDER / f"{name}.md": page(name, given) for name in methods.names()}
    return made | {INDEX: index()}


def main():
    """Write all pages, and take away those of methods that are gone."""
    made = pages()
    FOLDER.mkdir(exist_ok=True)
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")
    for path in set(FOLDER.glob("*.md")) - set(made):
        path.unlink()
    sys.stdout.write(f"wrote {len(made)} pages\n")


if __name__ == "__main__":
    main()
