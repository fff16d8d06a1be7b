"""A finished run on new images: its models, what they say of an image, and when they say nothing."""
