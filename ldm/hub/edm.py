"""Convert state dicts of the authors' EDM and GeoLDM to and from ours.

Both keep a whole model in one file, `generative_model_ema.npy`, a torch state dict whatever its
suffix: `dynamics.egnn` is the noise predictor, `gamma.gamma` the noise schedule, and GeoLDM has
`vae.encoder` and `vae.decoder`, too. Values never change. Sources: Hoogeboom et al. 2022 and Xu et
al. 2023.
"""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from ldm.hub.names import Rules, inverse, rename

__all__ = ["SCHEDULE", "edm_from_published", "edm_to_published"]

SCHEDULE = "gamma.gamma"
"""Name of `log(sigma^2 / alpha^2)` at times 0 to T."""

EGNN: Rules = (
    ("blocks.#.gcl.", "e_block_#.gcl_0."),
    ("blocks.#.coord_mlp.", "e_block_#.gcl_equiv.coord_mlp."),
)
PARTS = {  # of our stages, by the authors' prefix
    "prior": {"dynamics.": ""},
    "tokenizer": {"vae.encoder.": "encoder.", "vae.decoder.": "decoder."},
}


def edm_from_published(state: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Split a model of the authors into the states of our stages.

    Returns:
        The state of a prior's backbone under `prior` and, of GeoLDM, that of encoder and decoder
        under `tokenizer`.

    Raises:
        ValueError: there is no noise predictor, or no fixed noise schedule.
    """
    ours: dict[str, dict[str, Tensor]] = {"tokenizer": {}, "prior": {}}
    for stage, prefixes in PARTS.items():
        for theirs, mine in prefixes.items():
            for key in (key for key in state if key.startswith(theirs)):
                name = rename(key.removeprefix(theirs), inverse(*EGNN))
                ours[stage][mine + name] = state[key]
    if not ours["prior"] or SCHEDULE not in state:
        raise ValueError(
            f"there is no dynamics.egnn or no {SCHEDULE}, so this is no EDM or GeoLDM of a fixed "
            f"noise schedule; it has {', '.join(list(state)[:3]) or 'nothing'}"
        )
    return {stage: found for stage, found in ours.items() if found}


def edm_to_published(
    stages: Mapping[str, Mapping[str, Tensor]], gamma: Float[Tensor, " times"]
) -> dict[str, Tensor]:
    """Join the states of our stages to a model of the authors.

    Args:
        stages: as `edm_from_published` returns them; a tokenizer's other tensors are left out.
        gamma: `log(sigma^2 / alpha^2)` at times 0 to T.
    """
    theirs = {SCHEDULE: gamma.float()}
    for stage, state in stages.items():
        for prefix, mine in PARTS[stage].items():
            for key in (key for key in state if key.startswith(mine)):
                theirs[prefix + rename(key.removeprefix(mine), EGNN)] = state[key]
    return theirs
