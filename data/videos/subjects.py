"""Sets of videos of people that are split by person, as LFDM does: MUG, UTD-MHAD and NATOPS."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from data.files.errors import DataError
from data.images.listing import Listing
from data.videos.listing import list_videos
from data.videos.named import NamedVideos
from data.videos.squash import Squash

__all__ = ["MHAD", "MUG", "NATOPS"]


class Subjects(NamedVideos):
    """Videos whose names say who does what; no person is in both splits.

    Frames are squashed to a square, and a clip is spread over a whole video (Ni et al.,
    "Conditional image-to-video generation with latent flow diffusion models", 2023).

    Args:
        root: folder of all videos, also relative to LDM_DATA or `datasets/`.
        size: side of the square frames, pixels.
        frames: of a clip.
        clips: which frames a clip has, see `Sampling`; as in the paper for this set.
        short: what is done with shorter videos, see `Sampling`.
        cropped: whether videos are cropped already, as the paper's preparation does; else the
            part of a frame that it keeps is cut out on access.
        captions: also name the class in words, as `text`.
        **options: of `VideoFolder`.

    Raises:
        DataError: no video has such a name, or as for `VideoFolder`.
    """

    pattern: ClassVar[str]
    """Names of videos, with groups `kind`, of the class, and `subject`."""

    trained: ClassVar[tuple[int, ...]]
    """People in the train split."""

    box: ClassVar[tuple[float, float, float, float]] = (0.0, 0.0, 1.0, 1.0)
    """Part of a frame that is kept, see `Squash`."""

    usual: ClassVar[str] = "jittered"

    def __init__(
        self,
        root: str,
        size: int | Sequence[int] = 128,
        frames: int = 40,
        clips: str | None = None,
        short: str = "repeat",
        cropped: bool = True,
        captions: bool = False,
        **options: Any,
    ) -> None:
        clips = self.usual if clips is None else clips
        super().__init__(root, size=size, frames=frames, clips=clips, short=short, **options)
        self.captions = captions
        self.crop = Squash(size) if cropped else Squash(size, self.box)

    @property
    def name(self) -> str:
        return type(self).__name__

    def class_of(self, kind: str) -> str | None:
        """Name of the class that a name of a video speaks of; None of one that is left out."""
        number = int(kind) - 1
        return self.class_names[number] if 0 <= number < self.classes else None

    def listed(self, folder: Path) -> Listing:
        names, classes = [], []
        for name in list_videos(folder, classes=False).names:
            found = re.fullmatch(self.pattern, name)
            if found and (kind := self.class_of(found["kind"])) is not None:
                names.append(name)
                classes.append(kind)
        if not names:
            raise DataError(f"{folder} holds no videos of {self.name}: {self.how_to_get}")
        return Listing(folder, names, classes)

    def splits(self) -> dict[str, Listing]:
        listing = self.checked(self.folder)
        people = [int(re.fullmatch(self.pattern, name)["subject"]) for name in listing.names]
        found = {}
        for split, trained in (("train", True), ("test", False)):
            rows = [row for row, one in enumerate(people) if (one in self.trained) == trained]
            if not rows:
                raise DataError(f"{self.folder} holds nobody of the {split} split of {self.name}")
            found[split] = listing.subset(rows)
        return found


class MUG(Subjects):
    """Faces with one of seven expressions: 465 training videos of 26 people, and 26 for tests.

    Frames are `root/<subject>/<expression>/<take>/img_0000.jpg`, for some people one folder deeper;
    access is given by the authors of the database alone (Aifanti et al., 2010).
    """

    class_names = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
    pattern = r"(?P<subject>\d{3})/(?:session\d+/)?(?P<kind>\w+)/[^/]+"
    trained = (8, 17, 21, 28, 30, 31, 34, 36, 37, 38, 39, 42, 43, 44, 45, 55, 60, 61, 62, 63, 71)
    trained += (75, 76, 77, 83, 84)
    usual = "sorted"
    how_to_get = "ask for the MUG database, and set `root` to the folder of its subjects"

    def class_of(self, kind: str) -> str | None:
        return kind if kind in self.class_names else None


class MHAD(Subjects):
    """27 actions of eight people: 431 training videos of four of them (Chen et al., 2015).

    Classes have the names of UTD-MHAD's own list, in its order, which LFDM is told.

    Videos are `root/**/a<action>_s<subject>_t<trial>`, folders of frames, or the `_color.avi` of
    UTD-MHAD itself, with `cropped=false`.
    """

    class_names = (
        *("right arm swipe to the left", "right arm swipe to the right", "right hand wave"),
        *("two hand front clap", "right arm throw", "cross arms in the chest", "basketball shoot"),
        *("right hand draw x", "right hand draw circle (clockwise)"),
        *("right hand draw circle (counter clockwise)", "draw triangle", "bowling (right hand)"),
        *("front boxing", "baseball swing from right", "tennis right hand forehand swing"),
        *("arm curl (two arms)", "tennis serve", "two hand push", "right hand knock on door"),
        *("right hand catch an object", "right hand pick up and throw", "jogging in place"),
        *("walking in place", "sit to stand", "stand to sit", "forward lunge (left foot forward)"),
        "squat (two arms stretch out)",
    )
    pattern = r"(?:.*/)?a(?P<kind>\d+)_s(?P<subject>\d+)_t\d+(?:_color)?(?:\.\w+)?"
    trained = (1, 2, 3, 5)
    box = (77 / 320, 0.0, 247 / 320, 1.0)
    how_to_get = "unpack the RGB videos of UTD-MHAD, set `root` to them, and cropped=false"


class NATOPS(Subjects):
    """24 gestures of twenty people, 20 times each: 4,800 training videos of ten of them.

    Videos are `root/**/g<gesture>s<subject>p<repetition>-<start>-<end>`, folders of frames or
    files, as LFDM's preparation cuts them out by `segmentation.txt` (Song, Demirdjian and Davis,
    2011).
    """

    class_names = tuple(f"gesture {number}" for number in range(1, 25))
    pattern = r"(?:.*/)?g(?P<kind>\d+)s(?P<subject>\d+)p\d+-\d+-\d+(?:\.\w+)?"
    trained = (3, 4, 8, 9, 12, 13, 15, 17, 19, 20)
    box = (30 / 320, 10 / 240, 290 / 320, 239 / 240)
    how_to_get = "cut its videos to repetitions by segmentation.txt, and set `root` to them"
