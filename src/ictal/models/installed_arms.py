"""Arms of installed packages: found by entry points, imported when they are used. Needs no torch."""

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from ictal.errors import IctalError, ModelError

GROUP = "ictal.arms"
"""Group of entry points; the name of each is that of the arm which its module registers."""
FAMILY = ":"
"""Separates the name of a family from that of the model: 'braindecode:EEGNet'."""
_FAMILIES = {"braindecode": "ictal.models.braindecode_arms"}
"""Modules that register the models of a library; each has a function `register_model`."""


def families() -> list[str]:
    """Return the names of the libraries whose models are arms."""
    return list(_FAMILIES)


def installed_names() -> list[str]:
    """Return the names of the arms of installed packages, which are not imported."""
    return [point.name for point in entry_points(group=GROUP)]


def import_arm(name: str) -> str:
    """Import the package that registers an arm, and return what was imported, in words; '' if no package has it.

    Raises
    ------
    ModelError
        If the package cannot be imported.
    """
    family, _, model = name.partition(FAMILY)
    if model and family in _FAMILIES:
        import_module(_FAMILIES[family]).register_model(model)
        return family
    found = ""
    for point in entry_points(group=GROUP, name=name):
        try:
            point.load()
        except IctalError as error:
            raise ModelError(f"{_described(point)}: {error}") from error
        except Exception as error:
            raise ModelError(f"{_described(point)} cannot be imported: {type(error).__name__}: {error}") from error
        found = _described(point)
    return found


def _described(point: EntryPoint) -> str:
    package = point.dist.name if point.dist else "an unknown package"
    return f"the arm '{point.name}' of the package {package} ({point.value})"
