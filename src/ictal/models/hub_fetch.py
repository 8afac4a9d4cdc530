"""Fetch files of a model from the Hugging Face Hub into ictal's cache. Nothing that is fetched is opened here."""

import os
import re
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from platformdirs import user_cache_path

from ictal.core.atomic_files import atomic_folder
from ictal.errors import ModelError, WriteError, reason, require

NAME = re.compile(r"hf:/{1,2}([\w.-]+)/([\w.-]+)(?:@([\w./+-]+))?", re.ASCII)
"""`Path` turns the two slashes into one."""
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubName:
    """The name of a model on the Hub: 'hf://OWNER/NAME@REVISION'.

    Attributes
    ----------
    owner, name
        Those of the repository.
    revision
        A branch, a tag or a commit.
    """

    owner: str
    name: str
    revision: str = "main"

    @classmethod
    def parse(cls, text: str | Path) -> Self | None:
        """Return the name in a text or path; None if it is no name on the Hub.

        Raises
        ------
        ModelError
            If it begins as one, and is incomplete.
        """
        text = text.as_posix() if isinstance(text, Path) else text
        if not text.startswith("hf:/"):
            return None
        found = NAME.fullmatch(text)
        if found is None or ".." in text:
            raise ModelError(
                f"'{text}' is not the name of a model on the Hub; allowed are hf://OWNER/NAME and "
                "hf://OWNER/NAME@REVISION, where the revision is a branch, a tag or a commit"
            )
        owner, name, revision = found.groups()
        return cls(owner, name, revision or "main")

    def __str__(self) -> str:
        return f"hf://{self.repository}@{self.revision}"

    @property
    def repository(self) -> str:
        """Owner and name, as the Hub writes them."""
        return f"{self.owner}/{self.name}"

    @property
    def is_commit(self) -> bool:
        """Whether the revision is a commit, whose files never change."""
        return COMMIT.fullmatch(self.revision) is not None

    @property
    def folder(self) -> Path:
        """Where the files of a commit are kept. The folder has the name of the repository, as models have."""
        return fetched_folder() / self.revision / self.owner / self.name


def fetched_folder() -> Path:
    """Return the folder, in the user's cache, of what was fetched."""
    return user_cache_path("ictal") / "hub"


def hub_name(folder: Path) -> str | None:
    """Return the name on the Hub, with the commit, of a model that was fetched; None of other folders."""
    folder, place = folder.resolve(), fetched_folder().resolve()
    if not folder.is_relative_to(place) or len(parts := folder.relative_to(place).parts) != 3:
        return None
    return str(HubName(parts[1], parts[2], parts[0]))


def fetch(asked: HubName, choose: Callable[[Iterable[str]], Sequence[str]], check: Callable[[Path], None]) -> Path:
    """Return a folder with the chosen files of a repository; a commit that is there already needs no network.

    `huggingface_hub` downloads them into its own cache, where they are links, and they are copied from there. Its
    settings apply, such as HF_HOME, HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE. Without a network, the commit that it
    fetched last for the revision is used, with a warning.

    Parameters
    ----------
    asked
        The model.
    choose
        Returns which of a repository's files to fetch, or raises a `ModelError`.
    check
        Raises a `ModelError` if a folder is not a model; then nothing is kept.

    Raises
    ------
    ModelError
        If there is no such repository or revision, the user may not read it, or it cannot be fetched.
    MissingExtraError
        If the extra 'hub' is not installed.
    """
    if asked.is_commit and asked.folder.is_dir():
        return asked.folder
    require("hub", f"fetching {asked}")
    with _naming(asked):
        snapshot, chosen = _snapshot(asked, choose)
        pinned = HubName(asked.owner, asked.name, snapshot.name)
        if not pinned.is_commit:
            raise ModelError(f"the Hub names '{snapshot.name}' as the commit, which is no commit")
        if not pinned.folder.is_dir():
            _keep(snapshot, chosen, pinned.folder, check)
    return pinned.folder


@contextmanager
def _naming(asked: HubName) -> Iterator[None]:
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{asked}: {error}") from error


def _keep(snapshot: Path, chosen: Sequence[str], folder: Path, check: Callable[[Path], None]) -> None:
    """Copy files from the cache of `huggingface_hub`, and give the folder its name after the check."""
    try:
        with atomic_folder(folder) as part:
            for name in chosen:
                shutil.copyfile(snapshot / name, part / name)
            try:
                check(part)
            except ModelError as error:  # which names a file in a folder that will be gone
                raise ModelError(str(error).replace(f"{part}{os.sep}", "")) from error
    except WriteError:
        if not folder.is_dir():  # else another process was faster
            raise


def _snapshot(asked: HubName, choose: Callable[[Iterable[str]], Sequence[str]]) -> tuple[Path, Sequence[str]]:
    """Return the folder of a commit in the cache of `huggingface_hub`, and which of its files were chosen."""
    from huggingface_hub import HfApi, snapshot_download  # takes a second
    from huggingface_hub.errors import HFValidationError

    try:
        info = HfApi(library_name="ictal").model_info(asked.repository, revision=asked.revision)
    except HFValidationError as error:
        raise ModelError(f"is not a name on the Hub: {reason(error)}") from error
    except Exception as error:  # also those of an HTTP library, which is another one in each version
        return _earlier_snapshot(asked, choose, error)
    chosen = choose(file.rfilename for file in info.siblings or ())
    try:
        found = snapshot_download(
            asked.repository, revision=asked.revision, allow_patterns=list(chosen), library_name="ictal"
        )
    except Exception as error:
        raise _refusal(asked, error) or ModelError(
            f"could not be fetched: {reason(error)}; what is complete is kept, so trying again continues"
        ) from error
    return Path(found), chosen


def _earlier_snapshot(
    asked: HubName, choose: Callable[[Iterable[str]], Sequence[str]], error: Exception
) -> tuple[Path, Sequence[str]]:
    """Return what `_snapshot` does, without a network; raise why the Hub did not answer if nothing was fetched."""
    from huggingface_hub import constants, snapshot_download

    if refusal := _refusal(asked, error):
        raise refusal from error
    why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else f"{constants.ENDPOINT} cannot be reached"
    try:
        found = Path(snapshot_download(asked.repository, revision=asked.revision, local_files_only=True))
    except FileNotFoundError:
        raise ModelError(
            f"{why} ({reason(error)}), and this revision was not fetched earlier; 'hf download {asked.repository}' "
            f"fetches it where there is a network, into the folder {constants.HF_HUB_CACHE}, which can be copied"
        ) from error
    if not asked.is_commit:
        warnings.warn(f"{asked}: {why}; what was fetched earlier is used, commit {found.name}", stacklevel=2)
    return found, choose(file.name for file in found.iterdir())


def _refusal(asked: HubName, error: Exception) -> ModelError | None:
    """Return what a refusal of the Hub means to users; None if it is another error."""
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    log_in = "log in with 'hf auth login', or set HF_TOKEN"
    if isinstance(error, GatedRepoError):
        page = f"{constants.ENDPOINT}/{asked.repository}"
        return ModelError(f"its owner grants access on request: ask for it on {page}, then {log_in}")
    if isinstance(error, RevisionNotFoundError):
        return ModelError(f"has no revision '{asked.revision}'; allowed are a branch, a tag or a commit")
    denied = isinstance(error, HfHubHTTPError) and error.response.status_code in (401, 403)
    if isinstance(error, RepositoryNotFoundError) or denied:
        return ModelError(f"{constants.ENDPOINT} has no such model, or it is private; if it is private, {log_in}")
    return None
