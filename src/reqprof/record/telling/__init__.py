"""Who is told of a profile beside the folder it goes to."""
