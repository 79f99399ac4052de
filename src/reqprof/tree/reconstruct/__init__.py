"""From caller-callee edges to stacks: the parts of :mod:`reqprof.tree.build`."""
