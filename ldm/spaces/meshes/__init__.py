"""Triangle meshes, and distances by their eigenfunctions."""
