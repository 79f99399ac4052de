/* What cProfile calls a C function. */
#ifndef REQPROF_LABEL_H
#define REQPROF_LABEL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* The label of a C function, or of a method descriptor that is called with `self`: a string such
 * as "<built-in method builtins.len>". NULL without memory. As normalizeUserObj() in CPython's
 * Modules/_lsprof.c, but where the type overrides the method that is called: that is named there by
 * whichever type came first. It may ask for the repr() of an attribute of the app's. */
PyObject *label_of_c(PyObject *function, PyObject *self);

#endif
