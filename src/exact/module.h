/* The types, for those that check for them. One interpreter has them: others are refused. */
#ifndef REQPROF_MODULE_H
#define REQPROF_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

extern PyTypeObject *tree_type, *tracer_type;

#endif
