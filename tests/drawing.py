"""Draws from samplers as a prior does: the start from the base distribution, then the walk."""


def draw(sampler, denoise, process, n, generator=None):
    start = process.random(n, generator)
    return sampler(denoise, process, start, {}, generator)
