"""The recordings of a ward in the viewer: each shows what its bed knows when it is asked for."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock

from ictal.core.atomic_files import hash_of
from ictal.core.recording import Recording
from ictal.errors import IctalError
from ictal.live.bed import Bed
from ictal.web.identity import Identity, LiveIdentity
from ictal.web.jobs import JobThread
from ictal.web.library import Item, Library
from ictal.web.votes import Votes


def id_of(bed: Bed) -> str:
    """Return the id of a bed, and of its recording, in requests."""
    return hash_of(bed.name)


class BedLibrary(Library):
    """The recordings of beds; a bed without data has none yet.

    Votes on a recording that goes on are stored under the name of its bed and its start, since its content is not
    known. When it has ended, they move to the hash of its content, as if they had been given then.

    Parameters
    ----------
    beds
        The beds, in the order of the list.
    votes
        The votes.
    hashing
        Thread that hashes recordings that have ended.
    """

    def __init__(self, beds: Sequence[Bed], votes: Votes, hashing: JobThread) -> None:
        super().__init__()
        self._beds = {id_of(bed): bed for bed in beds}
        self._votes, self._hashing, self._lock = votes, hashing, Lock()
        self._shown: dict[str, tuple[Recording, int]] = {}

    def __iter__(self) -> Iterator[Item]:
        return iter([item for each in self._beds if (item := self.get(each)) is not None])

    def __getitem__(self, recording_id: str) -> Item:
        self.get(recording_id)
        return super().__getitem__(recording_id)

    def get(self, recording_id: str) -> Item | None:
        """Return a recording with all that its bed knows now, or None if there is none with this id."""
        bed = self._beds.get(recording_id)
        if bed is not None and bed.recording is not None:
            with self._lock:
                self._renew(recording_id, bed, bed.recording)
        return super().get(recording_id)

    def _renew(self, recording_id: str, bed: Bed, recording: Recording) -> None:
        item = super().get(recording_id) or self.add(_new_item(recording_id, bed, recording))
        item.reason = bed.problem or ("no data arrive" if bed.state == "stale" else "")
        version, scores = bed.version, bed.scores  # in this order: what changes in between is noticed the next time
        shown, shown_version = self._shown.get(recording_id, (None, -1))
        if shown is recording and shown_version == version:
            return
        item.path = Path(recording.name)  # it may have been renamed
        if scores is None or item.identity is None:
            self._identify(item, LiveIdentity(bed.name, recording.start, bed.source.files))
        item.grow(recording, bed.trends.at_s if bed.trends else 0.0, lambda: bed.scores_so_far)
        if scores is not None:
            item.finish(scores)
            self._hashing.do(lambda: self._identify_ended(item, recording, bed.source.files))
        self._shown[recording_id] = recording, version

    def _identify_ended(self, item: Item, recording: Recording, files: Sequence[Path]) -> None:
        """Move votes to the content of a recording, unless it turns out to go on."""
        identity = Identity(item.path, self._votes, files)
        with suppress(IctalError):  # votes stay where they are
            identity.content()
            with self._lock:
                if item.recording is recording and item.scores is not None:
                    self._identify(item, identity)

    def _identify(self, item: Item, identity: Identity | LiveIdentity) -> None:
        before, item.identity = item.identity, identity
        if before is not None and before.known is not None and before.known != identity.content():
            for file in {vote.file for vote in self._votes.all(before.known)}:
                self._votes.move(before.known, file, identity.content())


def _new_item(recording_id: str, bed: Bed, recording: Recording) -> Item:
    contract = bed.engine.contract
    model = {"name": contract.name, "arm": contract.arm, "warnings": list(contract.warnings)}
    return Item(
        recording_id, Path(recording.name), recording, bed.name, step_s=bed.settings.step_s,
        model=model | {"seen_s": contract.seen_s},
    )  # fmt: skip
