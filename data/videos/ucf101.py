"""UCF-101: videos of 101 human actions, in the official layout and splits."""

import re
from collections.abc import Sequence
from typing import Any

from data.files.errors import DataError
from data.images.listing import Listing, subfolder
from data.videos.named import NamedVideos

__all__ = ["CLASSES", "UCF101"]

CLASSES = tuple(
    """
    ApplyEyeMakeup ApplyLipstick Archery BabyCrawling BalanceBeam BandMarching BaseballPitch
    Basketball BasketballDunk BenchPress Biking Billiards BlowDryHair BlowingCandles
    BodyWeightSquats Bowling BoxingPunchingBag BoxingSpeedBag BreastStroke BrushingTeeth
    CleanAndJerk CliffDiving CricketBowling CricketShot CuttingInKitchen Diving Drumming Fencing
    FieldHockeyPenalty FloorGymnastics FrisbeeCatch FrontCrawl GolfSwing Haircut Hammering
    HammerThrow HandstandPushups HandstandWalking HeadMassage HighJump HorseRace HorseRiding
    HulaHoop IceDancing JavelinThrow JugglingBalls JumpingJack JumpRope Kayaking Knitting
    LongJump Lunges MilitaryParade Mixing MoppingFloor Nunchucks ParallelBars PizzaTossing
    PlayingCello PlayingDaf PlayingDhol PlayingFlute PlayingGuitar PlayingPiano PlayingSitar
    PlayingTabla PlayingViolin PoleVault PommelHorse PullUps Punch PushUps Rafting
    RockClimbingIndoor RopeClimbing Rowing SalsaSpin ShavingBeard Shotput SkateBoarding Skiing
    Skijet SkyDiving SoccerJuggling SoccerPenalty StillRings SumoWrestling Surfing Swing
    TableTennisShot TaiChi TennisSwing ThrowDiscus TrampolineJumping Typing UnevenBars
    VolleyballSpiking WalkingWithDog WallPushups WritingOnBoard YoYo
    """.split()  # noqa: SIM905 - one name a line is too long
)


class UCF101(NamedVideos):
    """13,320 videos of about 7 seconds, 320x240, in 101 classes (Soomro et al., 2012).

    Videos are `root/UCF-101/<Class>/*.avi`, and the lists of which are for training and which for
    tests `root/ucfTrainTestlist/{train,test}list0<fold>.txt`. Videos of a group share a scene, so
    they are never split at random.

    Args:
        root: folder of both, also relative to LDM_DATA or `datasets/`.
        fold: of the official lists, 1 to 3; the first has 9,537 training and 3,783 test videos.
        train: "train" trains on the training list (PVDM); "all" on both lists (LVDM, StyleGAN-V).
        captions: also name the class in words, "apply eye makeup", as `text`.
        **options: of `VideoFolder`.

    Raises:
        DataError: a list or a listed video is missing; as for `VideoFolder`.
    """

    class_names = CLASSES
    how_to_get = (
        "unpack UCF101.rar (unrar x) and UCF101TrainTestSplits-RecognitionTask.zip of "
        "crcv.ucf.edu/data/UCF101.php to one folder, and set `root` to it"
    )

    def __init__(
        self,
        root: str = "ucf101",
        fold: int = 1,
        train: str = "train",
        captions: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(root, **options)
        if fold not in (1, 2, 3):
            raise DataError(f"UCF-101 has the folds 1, 2 and 3, got {fold}")
        if train not in ("train", "all"):
            raise DataError(f"train is the list 'train' or 'all', got {train!r}")
        self.fold, self.train, self.captions = fold, train, captions

    @property
    def name(self) -> str:
        return "UCF-101"

    @staticmethod
    def words(name: str) -> str:
        """Split the name of a class to words.

        Example:
            >>> UCF101.words("ApplyEyeMakeup"), UCF101.words("YoYo")
            ('apply eye makeup', 'yo yo')
        """
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()

    def splits(self) -> dict[str, Listing]:
        folder = subfolder(self.folder, "UCF-101")
        if folder is None:
            raise DataError(f"there is no {self.folder / 'UCF-101'}: {self.how_to_get}")
        listing = self.checked(folder)
        if unknown := set(listing.classes) - set(CLASSES):
            raise DataError(f"{folder} holds no classes of UCF-101: {sorted(unknown)[:5]}")
        train, test = self._list("train"), self._list("test")
        whole = train + test if self.train == "all" else train
        return {"train": self._chosen(listing, whole), "test": self._chosen(listing, test)}

    def _list(self, split: str) -> list[str]:
        path = self.folder / "ucfTrainTestlist" / f"{split}list0{self.fold}.txt"
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read ({error}): {self.how_to_get}") from error
        return [line.split()[0] for line in lines if line.strip()]

    def _chosen(self, listing: Listing, names: Sequence[str]) -> Listing:
        rows = {name: row for row, name in enumerate(listing.names)}
        missing = [name for name in names if name not in rows]
        if missing and not self.skipped:
            raise DataError(
                f"{len(missing)} of {len(names)} listed videos are not under {listing.folder}, "
                f"{missing[0]} first: unpack them again"
            )
        return listing.subset(sorted(rows[name] for name in names if name in rows))
