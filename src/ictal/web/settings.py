"""Settings of the viewer."""

from pydantic import Field

from ictal.core.settings import Settings

MEGABYTE = 1 << 20


class ViewerSettings(Settings):
    """Settings of the viewer.

    Attributes
    ----------
    blind
        Whether raters see predictions and other votes on a window only after they have voted on it.
    upload
        Whether users may upload files.
    show_patient
        Whether the patient field of an EDF header is shown.
    accept_doubtful
        Whether the recordings named on the command line are read in spite of doubts, see `ictal.read`.
    max_upload_mb
        Size limit of uploads.
    """

    blind: bool = True
    upload: bool = False
    show_patient: bool = False
    accept_doubtful: bool = False
    max_upload_mb: int = Field(2048, ge=1)
