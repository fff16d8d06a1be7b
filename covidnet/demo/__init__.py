"""A page on one's own machine: drop an image, see what a run says of it."""
