"""What profiling costs the process, and how that is held to a share."""
