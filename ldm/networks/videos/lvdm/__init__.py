"""The networks of LVDM: a convolutional autoencoder of clips, and a factorised U-Net."""
