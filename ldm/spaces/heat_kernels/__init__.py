"""Heat kernels: the laws of Brownian motion on spaces, exactly."""
