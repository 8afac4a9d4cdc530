"""Write a model as a repository for the Hugging Face Hub: its files, and a README.md in the Hub's format."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from ictal import __version__
from ictal.core.atomic_files import atomic_folder, write_text
from ictal.errors import ModelError
from ictal.models.external_contract import ExternalContract
from ictal.models.hub import (
    CARD_TEXT,
    NOT_A_DEVICE,
    SHARED,
    WEIGHTS,
    NamedModel,
    card_file,
    check_weights,
    describe_model,
    is_external,
    read_card,
    weights_file,
)

README = "README.md"
LICENCES = (
    "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "mpl-2.0", "gpl-2.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0",
    "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0",
    "openrail", "unlicense",
)  # fmt: skip
"""Identifiers of licences on the Hub. Others are 'other' there, with a name."""


def export_for_hub(model: str | Path, out: str | Path) -> Path:
    """Write a model as a repository for the Hugging Face Hub. Nothing is uploaded.

    Parameters
    ----------
    model
        Name of a model, or its folder. One from elsewhere must be a graph in ONNX: programs are not shared.
    out
        Folder for the repository; it must be new or empty. It is also a model that every function takes.

    Returns
    -------
    Path
        The folder, with `README.md`, the model's card or contract, and its weights.

    Raises
    ------
    ModelError
        If there is no such model, its weights are not those of its card, or it is not of a kind that is shared.
    WriteError
        If `out` is not a new or empty folder.
    """
    found, out = describe_model(model), Path(out)
    folder, weights, card = found.folder, weights_file(found.folder), card_file(found.folder)
    if (card.name, weights.name) not in SHARED:
        kinds = ", ".join(name for _, name in SHARED)
        raise ModelError(f"{weights}: is a program, which ictal fetches from nobody; shared are {kinds}")
    check_weights(folder)
    with atomic_folder(out.absolute()) as part:
        for file in (card, weights, folder / CARD_TEXT):
            if file.is_file():
                shutil.copyfile(file, part / file.name)
        if is_external(folder) and not found.card.weights_sha256:
            contract = read_card(folder, ExternalContract)[1]
            contract.model_copy(update={"weights_sha256": found.origin["weights_sha256"]}).write(part)
        write_text(part / README, readme(replace(describe_model(part), name=found.name)))
    return out


def readme(model: NamedModel) -> str:
    """Return the README.md of a model's repository: metadata in YAML, its card, how it is used, and warnings."""
    header = yaml.safe_dump(metadata(model), sort_keys=False, allow_unicode=True)
    parts = [f"---\n{header}---", model.text.strip(), _use(model), _files(model)]
    warnings = [line for line in dict.fromkeys((NOT_A_DEVICE, *model.card.warnings)) if line not in model.text]
    if warnings:
        parts.append("\n".join(["## Warnings", "", *(f"- {line}" for line in warnings)]))
    return "\n\n".join(parts) + "\n"


def metadata(model: NamedModel) -> dict[str, Any]:
    """Return what the Hub knows about a model: licence, library and tags."""
    stated = model.card.licence.partition(";")[0].strip().lower()
    licence = re.sub(r"\s+", "-", stated)
    if licence in LICENCES:
        about: dict[str, Any] = {"license": licence}
    else:
        about = {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", stated).strip("-") or "unknown"}
    kind = "safetensors" if weights_file(model.folder).name == WEIGHTS else "onnx"
    return about | {"library_name": "ictal", "tags": ["ictal", "eeg", "critical-care", "seizure-detection", kind]}


def _use(model: NamedModel) -> str:
    own = not is_external(model.folder)
    extras = "hub,train" if own else "hub"
    lines = [
        "## Use it",
        "",
        f"    pip install 'ictal[{extras}]'",
        f"    ictal score night.edf --model hf://OWNER/{model.name}",
        "",
        f"OWNER is the owner of this repository. In Python: `ictal.score('night.edf', 'hf://OWNER/{model.name}')`.",
        "With `@` and a commit after the name, the weights are the same every time.",
    ]
    return "\n".join(lines)


def _files(model: NamedModel) -> str:
    weights = weights_file(model.folder).name
    lines = [
        "## Files",
        "",
        f"- Licence: {model.card.licence}",
        f"- SHA-256 of `{weights}`: `{model.origin['weights_sha256']}`",
        f"- Written by ictal {__version__}",
    ]
    return "\n".join(lines)
