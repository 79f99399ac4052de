/* The functions that a tree names, each once: what is to be called what, kept alive. */
#ifndef REQPROF_FUNCTIONS_H
#define REQPROF_FUNCTIONS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

/* A function: the address of its code object; of a C function, that of its definition plus one. */
typedef uintptr_t Key;

typedef struct {
    PyObject *list;  /* code objects, and the labels of C functions */
    Key *keys;       /* of each */
    uint32_t room;
    uint32_t *table; /* open addressing: key to place in the list plus one, 0 for none */
    uint32_t mask;
} Functions;

/* Negative, with an exception, without memory. */
int functions_make(Functions *functions);

void functions_free(Functions *functions);

/* The function's place, where it has one; else -1. */
int64_t functions_find(const Functions *functions, Key key);

/* The same, for one that may be new: `function` is what the key is of, a code object, or a C
 * function, or a method descriptor that is called with `self`. -1 without memory. Saves and
 * restores the exception in flight. May run the app's code: label_of_c() does. */
int64_t functions_add(Functions *functions, Key key, PyObject *function, PyObject *self);

static inline Key key_of_code(PyObject *code) { return (Key)code; }

static inline Key key_of_c(const PyMethodDef *definition) { return (Key)definition | 1; }

static inline int key_is_c(Key key) { return (int)(key & 1); }

#endif
