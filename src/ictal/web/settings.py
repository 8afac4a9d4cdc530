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
        Whether the recordings named on the command line are read despite doubts, see `ictal.read`.
    max_upload_mb
        Size limit of uploads.
    """

    blind: bool = True
    upload: bool = False
    show_patient: bool = False
    accept_doubtful: bool = False
    max_upload_mb: int = Field(2048, ge=1)


class ServerSettings(ViewerSettings):
    """How recordings are shown, and where.

    Attributes
    ----------
    host
        Address to listen on; any other than the default lets other machines connect.
    port
        0 for any free port.
    browser
        Whether to open a browser.
    """

    host: str = "127.0.0.1"
    port: int = Field(0, ge=0, le=65535)
    browser: bool = True
