/* What cProfile calls a C function. */
#ifndef REQPROF_LABEL_H
#define REQPROF_LABEL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* The label of a C function, or of a method descriptor that is called with `self`: a string such
 * as "<built-in method builtins.len>". NULL without memory. As normalizeUserObj() in CPython's
 * Modules/_lsprof.c; so it asks for the repr() of a type's attribute, which may be the app's. */
PyObject *label_of_c(PyObject *function, PyObject *self);

#endif
