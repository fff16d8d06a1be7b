"""The shape of the configuration, and its faults in the user's words."""
