"""Request -> Profile: the only code that runs in the served process."""
