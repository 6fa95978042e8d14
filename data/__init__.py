"""Datasets and LightningDataModules, one file a modality."""
