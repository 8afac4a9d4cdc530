"""Give a model a name: copy its folder to the user's models, after checking it."""

import re
import shutil
from pathlib import Path

from ictal.core.atomic_files import atomic_folder
from ictal.errors import ModelError
from ictal.models.external import open_external
from ictal.models.external_check import ExternalCheck, check_external
from ictal.models.hub import (
    CARD_TEXT,
    card_file,
    check_weights,
    find_model,
    is_external,
    models_folder,
    named_folders,
    weights_file,
)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check_new_name(name: str) -> None:
    """Refuse a name for a model that is not possible or taken.

    Raises
    ------
    ModelError
        Says what is wrong.
    """
    if not NAME.fullmatch(name):
        raise ModelError(
            f"'{name}' is not a name for a model; allowed are letters, digits, dots, dashes, underscores"
        )
    if name in {one.name for one in named_folders()}:
        raise ModelError(f"there is already a model '{name}', in {find_model(name)}; choose another name")


def add_model(folder: str | Path, name: str, *, accept_doubtful: bool = False) -> ExternalCheck | None:
    """Check a model and copy it to the user's own models, so that every command takes its name.

    Parameters
    ----------
    folder
        Folder of a model: one with `contract.yaml` and a network from elsewhere, or one that ictal trained.
    name
        Its name: letters, digits, dots, dashes and underscores.
    accept_doubtful
        Add it even if its patterns or channels seem to be in another order than its contract states.

    Returns
    -------
    ExternalCheck or None
        What an external model did with simulated windows; None for a model that ictal trained.

    Raises
    ------
    ModelError
        If the name is not possible or taken, or the model fails the check; nothing is added then.
    """
    check_new_name(name)
    folder, found = find_model(folder), None
    if is_external(folder):
        model = open_external(folder)
        found = check_external(model)
        if found.doubts and not accept_doubtful:
            raise ModelError(
                f"{folder}: {'; '.join(found.doubts)}. Correct the contract, or add the model as it is with "
                "--accept-doubtful"
            )
        contract = model.contract.model_copy(update={"weights_sha256": model.weights_sha256})
    target = models_folder() / name
    with atomic_folder(target) as part:
        for file in (weights_file(folder), card_file(folder), folder / CARD_TEXT):
            if file.is_file():
                shutil.copyfile(file, part / file.name)
        if found:
            contract.write(part)
            open_external(part)  # what was copied is what was checked
        check_weights(part)
    return found
