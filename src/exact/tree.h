/* The calling-context tree: one node for each distinct stack, with its calls and its own time.
 *
 * Node 0 is the root, which stands for whatever called the first functions. A node is made after
 * its parent, so that an index is always larger than its parent's.
 */
#ifndef REQPROF_TREE_H
#define REQPROF_TREE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#include "clock.h"
#include "functions.h"

typedef struct {
    Key key;
    uint32_t parent;
    uint32_t last;      /* the child that was entered last: the next one, more often than not */
    uint32_t function;  /* its place in the list of functions */
    uint32_t uncounted; /* calls it made that are no function's, as of a class: only their cost */
    uint64_t calls;
    uint64_t resumes;   /* of a generator or coroutine; cProfile counts them as calls */
    int64_t own;        /* ticks */
} Node;

typedef struct {
    PyObject_HEAD
    ClockKind clock;
    Node *nodes;
    uint32_t length, room, budget;
    uint32_t *table;      /* open addressing: (parent, key) to node, 0 for none */
    uint32_t mask;
    Functions functions;
    uint64_t beyond;      /* calls that found no room in the budget */
    int failed;           /* memory ran out: what is here is not all */
} Tree;

extern PyType_Spec tree_spec;

/* The child of a node for that key, or 0. */
uint32_t tree_find(const Tree *tree, uint32_t parent, Key key);

/* A new child, whose function has that place; 0 without place or memory. */
uint32_t tree_add(Tree *tree, uint32_t parent, Key key, int64_t place);

#endif
