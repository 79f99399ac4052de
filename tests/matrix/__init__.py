"""Every kind of work, on every event loop, alone and interleaved: whose is what in a profile."""
