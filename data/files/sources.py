"""Single files that sets are read from: where they lie, and where they come from."""

from dataclasses import dataclass
from pathlib import Path

from data.files.download import download
from data.files.errors import DataError
from data.files.roots import download_folder, find, looked_for

__all__ = ["Source"]


@dataclass(frozen=True)
class Source:
    """A file, found below the roots or downloaded.

    Attributes:
        path: below a root; its last part alone is found too.
        sha256: of the file at `url`.
        url: public address; None where whoever wants the file must fetch it.
        advice: what to do where it is missing and there is no `url`.
    """

    path: str
    sha256: str | None = None
    url: str | None = None
    advice: str = ""

    def fetch(self, root: str | None) -> None:
        """Download the file where it is not there, if it has an address.

        Raises:
            DataError: it could not be downloaded whole.
        """
        if self.url is not None and self._find(root) is None:
            download(download_folder(root) / self.path, self.sha256, self.url)

    def locate(self, root: str | None) -> Path:
        """Where the file lies.

        Raises:
            DataError: nowhere.
        """
        path = self._find(root)
        if path is None:
            advice = (
                self.advice
                or "set `root` or LDM_DATA, or download it by prepare_data(), as training does"
            )
            raise DataError(
                f"{self._name} is at none of {looked_for(root, *self._places)}: {advice}"
            )
        return path

    @property
    def _name(self) -> str:
        return Path(self.path).name

    @property
    def _places(self) -> tuple[str, str]:
        return self.path, self._name

    def _find(self, root: str | None) -> Path | None:
        return find(root, *self._places)
