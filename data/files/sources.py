"""Single dataset files: their paths and their public sources."""

from dataclasses import dataclass
from pathlib import Path

from data.files.download import download
from data.files.errors import DataError
from data.files.roots import download_folder, find, looked_for

__all__ = ["Source"]


@dataclass(frozen=True)
class Source:
    """A file that is found below the data roots or downloaded.

    Attributes:
        path: relative to a root; the file name alone is tried too.
        sha256: of the file at `url`.
        url: public URL; None if users must obtain the file themselves.
        advice: what to do if it is missing and there is no `url`.
    """

    path: str
    sha256: str | None = None
    url: str | None = None
    advice: str = ""

    def fetch(self, root: str | None) -> None:
        """Download the file if it is missing and has a URL.

        Raises:
            DataError: the download failed or has the wrong SHA-256.
        """
        if self.url is not None and self._find(root) is None:
            download(download_folder(root) / self.path, self.sha256, self.url)

    def locate(self, root: str | None) -> Path:
        """Path of the file.

        Raises:
            DataError: the file is not found.
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
