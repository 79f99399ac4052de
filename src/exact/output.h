/* A tree as a pstats table, and as bytes. */
#ifndef REQPROF_OUTPUT_H
#define REQPROF_OUTPUT_H

#include "tree.h"

extern const char tree_table_doc[], tree_encode_doc[];

PyObject *tree_table(Tree *tree, PyObject *hidden);
PyObject *tree_encode(Tree *tree, PyObject *hidden);

/* What pstats calls the functions of the tree, in their order: a list of tuples. */
PyObject *tree_labels(const Tree *tree);

#endif
