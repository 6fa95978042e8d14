"""Exact heat kernels: transition densities of Brownian motion on Riemannian manifolds."""
