"""Latent generative models: tokenizer, prior, sampler."""
