"""Sets of videos whose classes are known beforehand, and named in words."""

from functools import cached_property

from data.images.listing import Listing
from data.videos.folder import VideoFolder

__all__ = ["NamedVideos"]


class NamedVideos(VideoFolder):
    """Videos of a published set, with its name, classes and splits."""

    captions: bool = False
    """Whether the class is also named in words, as `text`."""

    @staticmethod
    def words(name: str) -> str:
        """Name a class in words."""
        return name

    @cached_property
    def text_width(self) -> int:
        return max(len(self.words(name)) for name in self.class_names) if self.captions else 0

    def captions_of(self, listing: Listing) -> list[str]:
        return [self.words(name) for name in listing.classes] if self.captions else []
