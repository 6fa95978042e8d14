"""Single files that data sets are read from: where they are found and downloaded from."""

from dataclasses import dataclass
from pathlib import Path

from data.files.download import download
from data.files.errors import DataError
from data.files.roots import download_folder, find, looked_for

__all__ = ["Source"]


@dataclass(frozen=True)
class Source:
    """A file that is found below the roots or downloaded.

    Attributes:
        path: relative to a root; the file name alone is also tried.
        sha256: checksum of the file at `url`.
        url: public address; None if users must fetch the file themselves.
        advice: what the user should do if the file is missing and has no `url`.
    """

    path: str
    sha256: str | None = None
    url: str | None = None
    advice: str = ""

    def fetch(self, root: str | None) -> None:
        """Download the file if it is missing and has an address.

        Raises:
            DataError: the download failed.
        """
        if self.url is not None and self._find(root) is None:
            download(download_folder(root) / self.path, self.sha256, self.url)

    def locate(self, root: str | None) -> Path:
        """Find the file.

        Raises:
            DataError: it is in none of the folders.
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
