"""Networks of latent flow diffusion (LFDM)."""
