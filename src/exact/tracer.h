/* One thread's, or one greenlet's, way through a tree: where it is, and since when. */
#ifndef REQPROF_TRACER_H
#define REQPROF_TRACER_H

#include "tree.h"

typedef struct Thread Thread;

typedef struct {
    PyObject_HEAD
    Tree *tree;
    uint32_t top;     /* where each stretch begins: the root, or where its greenlet was started */
    uint32_t cursor;  /* the function that runs */
    uint64_t below;   /* calls under way that have no node: the budget is spent */
    int64_t since;    /* when the time that has not been counted yet began */
    Thread *thread;   /* that it records now, or NULL */
    int closed;       /* for good */
    int builtins;     /* C functions too; of the profile hook */
} Tracer;

extern PyType_Spec tracer_spec;

/* Counts the time up to now for the function that runs. */
static inline void tracer_tick(Tracer *tracer)
{
    Tree *tree = tracer->tree;
    int64_t now = clock_now(tree->clock);
    tree->nodes[tracer->cursor].own += now - tracer->since;
    tracer->since = now;
}

static inline void tracer_arrive(Tracer *tracer, uint32_t child, int resumed)
{
    Node *node = &tracer->tree->nodes[child];
    if (resumed) {
        node->resumes++;
    }
    else {
        node->calls++;
    }
    tracer->cursor = child;
}

/* As tracer_enter(), which calls it, where there is no node for the function yet. May free the
 * tracer. */
void tracer_enter_new(Tracer *tracer, Key key, int resumed, PyObject *function, PyObject *self);

/* A function begins, or a suspended one is resumed. `function` and `self` are for functions_add(). */
static inline void tracer_enter(
    Tracer *tracer, Key key, int resumed, PyObject *function, PyObject *self)
{
    tracer_tick(tracer);
    if (tracer->below) {
        tracer->below++;
        tracer->tree->beyond++;
        return;
    }
    Tree *tree = tracer->tree;
    uint32_t here = tracer->cursor;
    uint32_t child = tree->nodes[here].last;
    if (child == 0 || tree->nodes[child].key != key) {
        child = tree_find(tree, here, key);
        if (child == 0) {
            tracer_enter_new(tracer, key, resumed, function, self);
            return;
        }
        tree->nodes[here].last = child;
    }
    tracer_arrive(tracer, child, resumed);
}

/* What runs calls something that has no node. */
static inline void tracer_pass(Tracer *tracer)
{
    tracer->tree->nodes[tracer->cursor].uncounted++;
}

/* The function returns, yields, or is left by an exception. */
static inline void tracer_leave(Tracer *tracer, Key key)
{
    tracer_tick(tracer);
    if (tracer->below) {
        tracer->below--;
        return;
    }
    const Node *nodes = tracer->tree->nodes;
    /* One that is not the innermost: others have ended untold. One that is not there at all was
     * called before the stretch began. */
    for (uint32_t node = tracer->cursor; node != tracer->top && node != 0;
         node = nodes[node].parent) {
        if (nodes[node].key == key) {
            tracer->cursor = nodes[node].parent;
            return;
        }
    }
}

#endif
