"""The report's HTML templates, which lie beside this file."""

from pathlib import Path

import jinja2

HERE = Path(__file__).parent


def template(name: str) -> jinja2.Template:
    """Return a template that escapes what it is given, and knows every name it uses."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
