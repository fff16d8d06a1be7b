"""What the number is worth: leakage, label hints, shortcuts and the size of the test, found without being asked."""
