/* The part of a tree that is shown: without the functions of some files, whose calls count for
 * whoever called them. */
#ifndef REQPROF_SHOWN_H
#define REQPROF_SHOWN_H

#include "tree.h"

typedef struct {
    const Tree *tree;
    uint32_t count;     /* nodes of the tree */
    uint32_t *parent;   /* of each node, among those that are shown; 0 is the root */
    uint32_t *first;    /* its first child, or 0 */
    uint32_t *next;     /* the next child of its parent, or 0 */
    int64_t *whole;     /* ticks: its own and those of all below it */
    char *is_hidden;    /* by function */
} Shown;

/* Hides the functions of files whose names begin with `prefix`. -1 with an exception. */
int shown_make(Shown *shown, const Tree *tree, PyObject *prefix);

void shown_free(Shown *shown);

/* The node after this one in a walk from each node to its children, or 0 at the end. `on_the_way`
 * is called for each node that is left for good. */
uint32_t shown_after(const Shown *shown, uint32_t node, void (*left)(void *, uint32_t), void *with);

#endif
