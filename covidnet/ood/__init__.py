"""Out-of-distribution detection: whether an image looks like those that a network was trained on."""
