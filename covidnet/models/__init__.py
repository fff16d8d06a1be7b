"""Networks, their pretrained weights, and the LightningModule around them."""
