"""From profiles to call trees: build one per request, add them up, cut them to size."""
