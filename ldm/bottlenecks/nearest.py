"""Exact nearest-neighbour search in a codebook, without the full distance matrix.

The full matrix would limit codebooks: 8,192 queries and 262,144 codes need 8 GiB of float32. Four
searches avoid it; each is exact in float64, and ties go to the lowest index:

- `sorted_search`, one dimension: a binary search among sorted codes.
- `ring_search`, two dimensions and codes of equal lengths, as a spherical codebook begins: a binary
  search among sorted angles.
- `tree_search`, few dimensions on a CPU: a k-d tree (Friedman, Bentley and Finkel, "An algorithm
  for finding best matches in logarithmic expected time", 1977).
- `block_search`, everything else: float32 products exclude whole blocks of codes by a bound on
  their rounding error, and float64 distances decide within the few remaining blocks.
"""

from collections import deque
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from ldm.tensors import WITHOUT_FLOAT64

__all__ = ["block_search", "nearest", "ring_search", "sorted_search", "tree_search"]

TREE_DIMENSIONS = 4  # in more, a k-d tree visits so many leaves that products are faster
BLOCK = 128  # codes that are kept or excluded together
# Queries and codes multiplied at once. On a CPU, 16 MiB of products: smaller tiles fit the caches
# better, but then threads synchronise so often that a busy machine is much slower.
TILE = {"cpu": 2048}
DEVICE_TILE = 8192  # 256 MiB: enough to fill an accelerator
DECIDED = 2**17  # float64 differences at once in one thread: 1 MiB, which stays in its cache
# Relative rounding of a product's inputs under each torch.set_float32_matmul_precision.
INPUT_ROUNDING = {"highest": 0.0, "high": 2.0**-10, "medium": 2.0**-7}

ROUND = 1e-6  # relative difference of lengths up to which they are those of a ring
NEAR = 1024  # codes of a ring that are compared with one query; with more, blocks are faster

# Of recent codebooks: an evaluation builds each once.
trees: deque[cKDTree] = deque(maxlen=4)
rings: deque["Ring"] = deque(maxlen=4)


def nearest(queries: Float[Tensor, "n d"], codes: Float[Tensor, "v d"]) -> Int[Tensor, " n"]:
    """Index of the code at the smallest Euclidean distance from each query.

    Distances are computed in float64 whatever the precision of the inputs and of autocast, and ties
    go to the lowest index: the result is the same for every method, and for float32 inputs on every
    device. Values that are not finite count as zero: a diverged network shows as a NaN loss, not as
    a failure here.

    Args:
        queries: points to look up.
        codes: at least one.

    Raises:
        ValueError: there are no codes.

    Example:
        >>> nearest(torch.tensor([[0.9, 0.0], [0.1, 0.0]]), torch.eye(2)).tolist()
        [0, 0]
    """
    # Only where something is compiled: the decorator imports the compiler, which takes a second.
    search = torch.compiler.disable(_nearest) if torch.compiler.is_compiling() else _nearest
    return search(queries, codes)


@torch.no_grad()
def _nearest(queries: Float[Tensor, "n d"], codes: Float[Tensor, "v d"]) -> Int[Tensor, " n"]:
    if len(codes) == 0:
        raise ValueError(f"{len(queries)} queries need at least one code, got none")
    if queries.is_meta or len(queries) == 0:
        return queries.new_empty(len(queries), dtype=torch.int64)
    home = queries.device
    if home.type in WITHOUT_FLOAT64:
        queries, codes = queries.cpu(), codes.cpu()
    queries, codes = (x.to(torch.float64, copy=True).nan_to_num_(0, 0, 0) for x in (queries, codes))
    if codes.shape[1] == 1:
        return sorted_search(queries, codes).to(home)
    if codes.shape[1] == 2 and (ring := _ring(codes)) is not None:
        return ring_search(queries, ring).to(home)
    if codes.device.type == "cpu" and codes.shape[1] <= TREE_DIMENSIONS:
        return tree_search(queries, codes).to(home)
    return block_search(queries, codes).to(home)


def sorted_search(queries: Float[Tensor, "n 1"], codes: Float[Tensor, "v 1"]) -> Int[Tensor, " n"]:
    """Find the nearest code in one dimension, float64, by binary search."""
    values, order = codes[:, 0].sort(stable=True)
    query = queries[:, 0].contiguous()
    above = torch.searchsorted(values, query).clamp(max=len(values) - 1)
    # The sort is stable, so the first of equal values has the lowest index.
    below = torch.searchsorted(values, values[(above - 1).clamp(min=0)])
    left, right = (query - values[below]).abs(), (query - values[above]).abs()
    first, second = order[below], order[above]
    tied = torch.minimum(first, second)
    return torch.where(left == right, tied, torch.where(left < right, first, second))


class Ring(NamedTuple):
    """Codes of almost equal lengths, and their angles in ascending order.

    Attributes:
        codes: float64.
        shortest, longest: their lengths.
        angles: in [-pi, pi].
        order: which code has each angle.
        sorted: coordinates of the codes in that order, which is that in which they are read.
    """

    codes: Float[Tensor, "v 2"]
    shortest: float
    longest: float
    angles: Float[Tensor, " v"]
    order: Int[Tensor, " v"]
    sorted: Float[Tensor, "2 v"]


def _ring(codes: Float[Tensor, "v 2"]) -> Ring | None:
    for ring in rings:
        if ring.codes.device == codes.device and torch.equal(ring.codes, codes):
            return ring
    x, y = codes.T.contiguous()
    shortest, longest = (square.sqrt().item() for square in (x * x).add_(y * y).aminmax())
    if not longest - shortest <= ROUND * shortest or shortest == 0:
        return None
    angles = torch.atan2(y, x)
    # numpy sorts several times as fast as torch.
    order = torch.from_numpy(np.argsort(angles.cpu().numpy())).to(codes.device)
    coordinates = torch.stack([x.take(order), y.take(order)])
    rings.append(Ring(codes, shortest, longest, angles.take(order), order, coordinates))
    return rings[-1]


def ring_search(queries: Float[Tensor, "n 2"], ring: Ring) -> Int[Tensor, " n"]:
    """Find the nearest code of float64 vectors in the plane, where codes have almost equal lengths.

    With lengths p and r and an angle a between them, |q - c|^2 = (p - r)^2 + 4 p r sin^2(a / 2):
    the code of the nearest angle bounds the angles of all codes that can be as near.
    """
    tile = TILE.get(queries.device.type, DEVICE_TILE)
    # In the order of their angles, neighbours read the same part of the ring.
    order = torch.atan2(queries[:, 1], queries[:, 0]).argsort()
    found = torch.cat([_search_ring(part, ring) for part in queries[order].split(tile)])
    return found.scatter(0, order, found)


def _search_ring(queries: Float[Tensor, "n 2"], ring: Ring) -> Int[Tensor, " n"]:
    count = len(ring.codes)
    length, angle = queries.norm(dim=1), torch.atan2(queries[:, 1], queries[:, 0])
    above = torch.searchsorted(ring.angles, angle) % count
    least = (length - length.clamp(ring.shortest, ring.longest)).square()
    slack = 1e-14 * (length + ring.longest).square()  # of rounding
    every = torch.arange(len(queries), device=queries.device)
    sine = (_distance(queries, every, ring, above) - least + slack) / (4 * length * ring.shortest)
    reach = 2 * sine.clamp(0, 1).sqrt().asin() + 1e-14
    reach = reach.nan_to_num(torch.pi)  # the origin is as far from all angles
    begin = _place(ring.angles, angle - reach)
    sizes = _place(ring.angles, angle + reach, right=True) - begin
    near = sizes <= NEAR
    if not near.all():
        result = begin.new_empty(len(queries))
        result[~near] = block_search(queries[~near], ring.codes)
        if near.any():
            result[near] = _search_ring(queries[near], ring)
        return result
    query = every.repeat_interleave(sizes)
    # Places count on from where those of the query begin.
    place = torch.arange(len(query), device=query.device)
    place = place.add_((begin - sizes.cumsum(0) + sizes).take(query)).remainder_(count)
    distance = _distance(queries, query, ring, place)
    return _first(len(queries), query, distance, ring.order.take(place))


def _distance(
    queries: Float[Tensor, "n 2"], query: Int[Tensor, " k"], ring: Ring, place: Int[Tensor, " k"]
) -> Float[Tensor, " k"]:
    """Squared distances of queries from the codes at places of the ring."""
    x, y = (
        codes.take(place).sub_(own.take(query))  # faster than by indices in brackets
        for codes, own in zip(ring.sorted, queries.T.contiguous(), strict=True)
    )
    return x.square_().add_(y.square_())


def _place(angles: Tensor, angle: Tensor, right: bool = False) -> Int[Tensor, " n"]:
    """Place of angles in [-2 pi, 2 pi] among sorted ones, counted on beyond both ends."""
    turn = (angle > torch.pi).to(angle) - (angle < -torch.pi).to(angle)
    place = torch.searchsorted(angles, angle - 2 * torch.pi * turn, right=right)
    return place + turn.long() * len(angles)


def tree_search(queries: Float[Tensor, "n d"], codes: Float[Tensor, "v d"]) -> Int[Tensor, " n"]:
    """Find the nearest code of float64 vectors on a CPU by a k-d tree."""
    distance, index = _tree(codes.numpy()).query(
        queries.numpy(), k=2, workers=torch.get_num_threads()
    )
    result = torch.from_numpy(index[:, 0])
    # The tree resolves ties by the order of its leaves; the second neighbour reveals them.
    tied = torch.from_numpy(distance[:, 1] <= distance[:, 0] * (1 + 1e-12))
    if tied.any():
        result[tied] = block_search(queries[tied], codes)
    return result


def _tree(codes: np.ndarray) -> cKDTree:
    for tree in trees:
        if np.array_equal(tree.data, codes):
            return tree
    # Compact bounding boxes make searches from inside a sphere of codes, the initial state of a
    # spherical codebook, over ten times slower; balancing only makes building slower.
    trees.append(cKDTree(codes, leafsize=64, compact_nodes=False, balanced_tree=False))
    return trees[-1]


def block_search(queries: Float[Tensor, "n d"], codes: Float[Tensor, "v d"]) -> Int[Tensor, " n"]:
    """Find the nearest code of float64 vectors of any dimension, on any device, tile by tile."""
    tile = TILE.get(codes.device.type, DEVICE_TILE)
    if missing := -len(codes) % BLOCK:
        # Copies of the last code fill its block: they lose every tie to its lower index.
        codes = torch.cat([codes, codes[-1:].expand(missing, -1)])
    lengths = codes.norm(dim=1, keepdim=True)
    # |q - c|^2 = |q|^2 - 2 (q.c - |c|^2 / 2): the nearest code has the largest bracket.
    weights = torch.cat([codes.float(), (-lengths.square() / 2).float()], dim=1)
    longest = lengths.view(-1, BLOCK).amax(1).float()
    return torch.cat(
        [_search_tile(part, codes, weights, longest, tile) for part in queries.split(tile)]
    )


def _search_tile(queries, codes, weights, longest, tile):
    score = _block_scores(queries, weights, tile)
    # Rounding error of a sum of d + 1 float32 products whose magnitudes sum to at most |q||c| +
    # |c|^2 / 2 (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, section 3.1).
    unit = INPUT_ROUNDING[torch.get_float32_matmul_precision()]
    unit += (codes.shape[1] + 8) * torch.finfo(torch.float32).eps
    reach = longest[:, None] * queries.norm(dim=1).float() + longest[:, None].square() / 2
    error = 2 * unit * reach
    best = (score - error).amax(0)
    # "not less" rather than "at least": a score that overflowed to NaN excludes nothing.
    block, query = (~(score + error < best)).nonzero(as_tuple=True)
    return _decide(queries, codes.view(-1, BLOCK, codes.shape[1]), query, block)


def _block_scores(queries, weights, tile):
    """The largest float32 score in each block of codes, `(blocks, n)`."""
    ones = queries.new_ones(len(queries), 1)
    columns = torch.cat([queries, ones], dim=1).float().T.contiguous()
    scores = weights.new_empty(len(weights) // BLOCK, len(queries))
    # One buffer for all products: allocation would take as long as they do. Autocast does not
    # change products with an output buffer, so they stay in float32.
    products = weights.new_empty(min(tile, len(weights)), len(queries))
    for part, out in zip(weights.split(tile), scores.split(tile // BLOCK), strict=True):
        torch.mm(part, columns, out=products[: len(part)])
        torch.amax(products[: len(part)].view(-1, BLOCK, len(queries)), 1, out=out)
    return scores


def _decide(queries, blocks, query, block):
    """Index of the nearest code of each query among the blocks paired with it."""
    size = blocks.shape[1]
    alone = queries.device.type == "cpu" and torch.get_num_threads() == 1
    most = DECIDED if alone else TILE.get(queries.device.type, DEVICE_TILE) ** 2
    pairs = max(1, most // (size * queries.shape[1]))
    distance, index = [], []
    for q, b in zip(query.split(pairs), block.split(pairs), strict=True):
        squares = (queries[q, None] - blocks[b]).square().sum(2)
        least, position = squares.amin(1), squares.argmin(1)  # argmin: the first of equal ones
        distance.append(least)
        index.append(b * size + position)
    return _first(len(queries), query, torch.cat(distance), torch.cat(index))


def _first(count: int, query: Tensor, distance: Tensor, index: Tensor) -> Int[Tensor, " count"]:
    """The lowest of the nearest indices of each of so many queries."""
    least = distance.new_full((count,), torch.inf).scatter_reduce(0, query, distance, "amin")
    none = torch.iinfo(torch.int64).max
    index = torch.where(distance == least.take(query), index, none)
    return index.new_full((count,), none).scatter_reduce(0, query, index, "amin")
