"""Many runs as one question: planning, running and resuming a sweep, and what its runs say together."""
