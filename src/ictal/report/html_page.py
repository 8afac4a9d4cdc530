"""Fill a template to make a self-contained page."""

from typing import Any

import jinja2


def page(template: str, **values: Any) -> str:
    """Fill one of the package's templates; a missing value is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ictal.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
