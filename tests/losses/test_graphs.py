"""Reconstruction errors of graphs."""

import torch

from ldm.losses import EdgeError, NodeError


def test_errors_are_means_over_all_places():
    x = torch.zeros(2, 3, 5)  # two classes, three places
    back = x.clone()
    back[0, 1, 0] = 3.0
    back[1, 0, 2:] = 1.0
    given = (None, {"x": x}, None, {"x": back}, 0, None)
    torch.testing.assert_close(NodeError()(*given), torch.tensor(9 / (2 * 3 * 2)))
    torch.testing.assert_close(EdgeError()(*given), torch.tensor(3 / (2 * 3 * 3)))
    torch.testing.assert_close(EdgeError(orders=3)(*given), torch.tensor(3 / (2 * 3 * 3) / 9))
