"""Beds whose recordings grow as fast as a test wants."""

from pathlib import Path

PATIENT = slice(8, 88)
N_RECORDS = slice(236, 244)


class BedRecorder:
    """Writes an EDF file record by record, as a recorder does: its header does not say how many there will be."""

    def __init__(self, whole: Path, path: Path, patient: str = "X X X X") -> None:
        self.path, self.written = path, 0
        content = bytearray(whole.read_bytes())
        n_header, self.n_records = int(content[184:192]), int(content[N_RECORDS])
        content[N_RECORDS] = b"-1      "
        content[PATIENT] = b"%-80s" % patient.encode()
        self._records = bytes(content[n_header:])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content[:n_header])

    def record(self, n_records: int) -> None:
        """Append so many records, or what is left."""
        size = len(self._records) // self.n_records
        stop = min(self.written + n_records, self.n_records)
        with self.path.open("ab") as file:
            file.write(self._records[self.written * size : stop * size])
        self.written = stop

    def end(self) -> None:
        """Write the number of records into the header."""
        with self.path.open("r+b") as file:
            file.seek(N_RECORDS.start)
            file.write(b"%-8d" % self.written)
