"""What the commands do, from the composed configuration to the exit status."""
