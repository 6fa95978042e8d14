"""Evaluate a trained run.

python -m eval run=runs/demo/digits eval.samples=5000
python -m eval run=runs/demo/digits sampler.steps=3 name=fast
python -m eval -m run=runs/demo/digits guidance.scale=1,2,4
python -m eval folders samples reference
python -m eval folders samples.npz statistics.npz output=scores
python -m eval folders samples reference run=runs/demo/digits
python -m eval folders samples.npz VIRTUAL_imagenet256_labeled.npz protocol=adm

Scores and pictures of the run's own settings lie in its folder, those of others in
<run>/evaluations/<name>; without a name they are named after what was changed. A sweep, -m or
--multirun, also writes a table and a plot there.

`folders` scores a set of pictures against another: folders of images, .npz files with bytes
(n, height, width, 3) under arr_0, with statistics mu and sigma, or both, as the reference batches
of the ADM suite, whose protocol is protocol=adm. Features are those of FID's
Inception; with extractor=dinov2 or clip, those of DINOv2 (FD-DINOv2) or CLIP (CMMD); with run=...,
those of the classifier of that run's labelled data.
"""

import sys

from ldm.cli import command, take
from ldm.config.compose import ConfigError, check_keys
from ldm.config.groups import groups
from ldm.config.sweeps import jobs

SWEEP = ("-m", "--multirun")


@command(choices=lambda: groups("eval", "sampler"))
def main(arguments: list[str]) -> None:
    """Load the run, score it, and print the scores; or compare two sets of pictures."""
    if arguments[:1] == ["folders"]:
        folders(arguments[1:])
        return
    own, overrides = take(arguments, run=str, name=str)
    if "run" not in own:
        raise ConfigError("name a run folder: run=runs/demo/digits")
    sweeping = any(one in SWEEP for one in overrides)
    overrides = [one for one in overrides if one not in SWEEP]
    check_keys(own["run"], jobs(overrides)[0] if sweeping else overrides)

    from eval.sweep import score, sweep
    from ldm import distributed
    from ldm.run.folder import Run

    distributed.join()
    (sweep if sweeping else score)(Run(own["run"]), overrides, own.get("name"))


def folders(arguments: list[str]) -> None:
    """Score one set of pictures against another, print the scores, and write them to `output`.

    Raises:
        ConfigError, DataError: a set or the extractor is missing.
    """
    own, sets = take(arguments, run=str, output=str, protocol=str, extractor=str)
    if len(sets) != 2:
        raise ConfigError(f"name two sets, python -m eval folders SAMPLES REFERENCE; got {sets}")

    from eval.folders import score

    score(*sets, **own)


if __name__ == "__main__":
    main(sys.argv[1:])
