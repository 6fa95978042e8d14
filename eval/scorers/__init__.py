"""Scorers: what a run is scored by, one file each.

An evaluation is a list of them, `eval.scorers` in the configuration, by their names here:

of images
    reconstructions         PSNR, SSIM, LPIPS, codebook usage; with an extractor, rFD
    samples                 FD, KD, IS, precision and recall of samples, and of their labels
    floor                   FD of the training from the test split
    elbo                    likelihood under a variational tokenizer, and its bound

of points
    likelihood              negative log likelihood of held-out points
    mass                    integral of the density
    references              likelihood under the data's own law, and under a kernel estimate
    detection               out-of-distribution sets told by their likelihoods
    discrepancy             samples beside data: maximum mean discrepancy, and a picture
    effective_sample_size   samples weighed by the data's action
    density                 a picture of the density

Numbers that scorers share are written once, beside the list: `eval.samples` reaches every scorer
whose constructor has an argument `samples`. One of your own is a subclass of `Scorer`, with
`check(parts)` and `score(parts, record)`, named by its class where others have a name:

    eval:
      scorers: [reconstructions, {_target_: my_package.MyScorer, own: 3}]
      batch_size: 100

Work that scorers share (an extractor, samples, log densities) goes through `record.once`.
"""

from eval.scorers.density import Density
from eval.scorers.detection import Detection
from eval.scorers.discrepancy import Discrepancy
from eval.scorers.effective_sample_size import EffectiveSampleSize
from eval.scorers.elbo import Elbo
from eval.scorers.floor import Floor
from eval.scorers.likelihood import HeldOutLikelihood
from eval.scorers.mass import Mass
from eval.scorers.reconstructions import Reconstructions
from eval.scorers.references import References
from eval.scorers.samples import Samples
from eval.scorers.scorer import BatchedScorer, Scorer

__all__ = ["SCORERS", "BatchedScorer", "Scorer"]

SCORERS: dict[str, type[Scorer]] = {
    "reconstructions": Reconstructions,
    "samples": Samples,
    "floor": Floor,
    "elbo": Elbo,
    "likelihood": HeldOutLikelihood,
    "mass": Mass,
    "references": References,
    "detection": Detection,
    "discrepancy": Discrepancy,
    "effective_sample_size": EffectiveSampleSize,
    "density": Density,
}
"""By the names that `eval.scorers` may list."""
