"""Which requests are profiled, and which profiles are kept."""
