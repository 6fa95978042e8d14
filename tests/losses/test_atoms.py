"""The reconstruction error of molecules against a sum over atoms."""

import torch
from torch.testing import assert_close

from ldm.losses import AtomError


def test_it_is_the_published_sum_over_atoms():
    generator = torch.Generator().manual_seed(0)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    types = torch.randint(2, (2, 3), generator=generator)
    hot = torch.nn.functional.one_hot(types, 2).float()
    x = torch.cat([torch.randn(2, 3, 3, generator=generator), hot, 6.0 + types[..., None]], -1)
    back = torch.randn(2, 3, 6, generator=generator)
    expected = 0.0
    for row, place in mask.nonzero().tolist():
        true, found = x[row, place], back[row, place]
        error = (found[:3] - true[:3]).square().sum() + (found[5] - true[5]).square()
        classes = -found[3:5].log_softmax(0)[types[row, place]]
        expected += (error + classes) / (2 * 3 * 6)
    given = {"x": x, "mask": mask}, None, {"x": back}
    assert_close(AtomError(2)(None, *given, 0, None), expected)
