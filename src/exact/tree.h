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

/* A function: the address of its code object; of a C function, that of its definition plus one. */
typedef uintptr_t Key;

typedef struct {
    Key key;
    uint32_t parent;
    uint32_t last;      /* the child that was entered last: the next one, more often than not */
    uint32_t function;  /* its place in the tree's functions */
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
    PyObject *functions;  /* a list: code objects, and the labels of C functions */
    PyObject *places;     /* a dict: key to place in that list */
    uint64_t beyond;      /* calls that found no room in the budget */
    int failed;           /* memory ran out: what is here is not all */
} Tree;

extern PyType_Spec tree_spec;

/* The child of a node for that key, or 0. */
uint32_t tree_find(const Tree *tree, uint32_t parent, Key key);

/* The function's place in the tree's list, which keeps it alive; -1 without memory. `function` is
 * what the key is of: a code object, or a C function, or a method descriptor that is called with
 * `self`. Saves and restores the exception in flight. May run the app's code: label_of_c() does. */
Py_ssize_t tree_place(Tree *tree, Key key, PyObject *function, PyObject *self);

/* A new child; 0 where there is no place, or no memory. */
uint32_t tree_add(Tree *tree, uint32_t parent, Key key, Py_ssize_t place);

static inline Key key_of_code(PyObject *code) { return (Key)code; }

static inline Key key_of_c(const PyMethodDef *definition) { return (Key)definition | 1; }

static inline int key_is_c(Key key) { return (int)(key & 1); }

static inline uint32_t tree_hash(uint32_t parent, Key key)
{
    uint64_t mixed = (uint64_t)key * UINT64_C(0x9E3779B97F4A7C15)
        ^ (uint64_t)parent * UINT64_C(0xC2B2AE3D27D4EB4F);
    return (uint32_t)(mixed >> 32) ^ (uint32_t)mixed;
}

#endif
