"""Scorers of a run, one file each.

An evaluation is a list of scorers, `eval.scorers` in the configuration, with these names:

of images and videos
    reconstructions         PSNR, SSIM, LPIPS, flicker, codebook usage; with an extractor, rFD
    samples                 FD, KD, IS, precision and recall of samples, accuracy of their labels
    floor                   FD between train and test splits

of images
    rfid_protocols          rFD by the protocols of GSQ, CompVis and VA-VAE, side by side
    elbo                    likelihood under a variational tokenizer, and its bound

of videos
    fvd                     FVD, KVD and inception score of samples, by named protocols
    rfvd                    the same of reconstructions
    frame_distance          FID of frames
    motion                  speeds of samples against those of data, and drift of their brightness

of points
    likelihood              negative log likelihood of held-out points
    mass                    integral of the density
    references              likelihood under the true density, and under a kernel estimate
    detection               detection of out-of-distribution sets by likelihood
    discrepancy             maximum mean discrepancy between samples and data, and a picture
    effective_sample_size   effective sample size of importance weights under the data's action
    density                 a picture of the density

of latents of a diffusion in steps
    bound                   negative log likelihood of held-out data, at most

of graphs
    graph_discrepancies     discrepancies of degrees, clustering, orbits, spectra; two references
    graph_reconstructions   share of nodes, edges and graphs that a tokenizer keeps
    molecule_graphs         validity, uniqueness, novelty and NSPDK discrepancy of molecules

of molecules
    molecules               stability, validity, novelty, geometries of samples, and a picture
    molecule_floor          the same of the train split
    molecule_reconstructions   types and positions of atoms that a tokenizer keeps
    property                errors of the property that samples were asked for, and bounds

of molecules, in space or as graphs
    similarities            similarities of scaffolds, fragments and nearest molecules to the data's
    fcd                     Fréchet ChemNet distance, by a file of the network

Arguments that scorers share are set once, beside the list: `eval.samples` reaches every scorer
whose constructor has an argument `samples`. Your own scorer is a subclass of `Scorer`, with
`check(parts)` and `score(parts, record)`, listed by its class instead of a name:

    eval:
      scorers: [reconstructions, {_target_: my_package.MyScorer, own: 3}]
      batch_size: 100

Results that scorers share (an extractor, samples, log densities) are computed in `record.once`.
"""

from eval.scorers.bound import Bound
from eval.scorers.density import Density
from eval.scorers.detection import Detection
from eval.scorers.discrepancy import Discrepancy
from eval.scorers.effective_sample_size import EffectiveSampleSize
from eval.scorers.elbo import Elbo
from eval.scorers.floor import Floor
from eval.scorers.graph_discrepancies import GraphDiscrepancies
from eval.scorers.graph_reconstructions import GraphReconstructions
from eval.scorers.likelihood import HeldOutLikelihood
from eval.scorers.mass import Mass
from eval.scorers.molecule_graphs import MoleculeGraphScores
from eval.scorers.molecules import (
    ChemNetDistance,
    MoleculeFloor,
    MoleculeReconstructions,
    MoleculeSamples,
    MoleculeSimilarities,
    PropertyErrors,
)
from eval.scorers.reconstructions import Reconstructions
from eval.scorers.references import References
from eval.scorers.rfid_protocols import ReconstructionProtocols
from eval.scorers.samples import Samples
from eval.scorers.scorer import BatchedScorer, Scorer
from eval.scorers.videos import FVD, FrameDistance, Motion, ReconstructionFVD

__all__ = ["SCORERS", "BatchedScorer", "Scorer"]

SCORERS: dict[str, type[Scorer]] = {
    "reconstructions": Reconstructions,
    "rfid_protocols": ReconstructionProtocols,
    "samples": Samples,
    "floor": Floor,
    "elbo": Elbo,
    "likelihood": HeldOutLikelihood,
    "bound": Bound,
    "mass": Mass,
    "references": References,
    "detection": Detection,
    "discrepancy": Discrepancy,
    "effective_sample_size": EffectiveSampleSize,
    "density": Density,
    "graph_discrepancies": GraphDiscrepancies,
    "graph_reconstructions": GraphReconstructions,
    "molecule_graphs": MoleculeGraphScores,
    "molecules": MoleculeSamples,
    "molecule_floor": MoleculeFloor,
    "molecule_reconstructions": MoleculeReconstructions,
    "property": PropertyErrors,
    "similarities": MoleculeSimilarities,
    "fcd": ChemNetDistance,
    "motion": Motion,
    "fvd": FVD,
    "rfvd": ReconstructionFVD,
    "frame_distance": FrameDistance,
}
"""Scorer classes by their names in `eval.scorers`."""
