#include "shown.h"

static int is_hidden(PyObject *function, PyObject *prefix)
{
    if (!PyCode_Check(function)) {
        return 0;
    }
    PyObject *file = ((PyCodeObject *)function)->co_filename;
    return PyUnicode_Tailmatch(file, prefix, 0, PY_SSIZE_T_MAX, -1) == 1;
}

static void *zeros(size_t count, size_t size)
{
    void *found = PyMem_RawCalloc(count ? count : 1, size);
    if (found == NULL) {
        PyErr_NoMemory();
    }
    return found;
}

/* Parents come before their children, so one walk down finds the parents that are shown. */
static void find_parents(Shown *shown)
{
    const Node *nodes = shown->tree->nodes;
    for (uint32_t i = 1; i < shown->count; i++) {
        uint32_t parent = nodes[i].parent;
        int skips = parent != 0 && shown->is_hidden[nodes[parent].function];
        shown->parent[i] = skips ? shown->parent[parent] : parent;
    }
}

/* And one walk up the children, in their order, and what they took. */
static void add_up(Shown *shown)
{
    const Node *nodes = shown->tree->nodes;
    for (uint32_t i = shown->count; i-- > 1;) {
        if (shown->is_hidden[nodes[i].function]) {
            continue;
        }
        uint32_t parent = shown->parent[i];
        shown->whole[i] += nodes[i].own;
        shown->whole[parent] += shown->whole[i];
        shown->next[i] = shown->first[parent];
        shown->first[parent] = i;
    }
}

int shown_make(Shown *shown, const Tree *tree, PyObject *prefix)
{
    *shown = (Shown){.tree = tree, .count = tree->length};
    Py_ssize_t functions = PyList_GET_SIZE(tree->functions.list);
    size_t count = tree->length;
    if ((shown->parent = zeros(count, sizeof *shown->parent)) == NULL
        || (shown->first = zeros(count, sizeof *shown->first)) == NULL
        || (shown->next = zeros(count, sizeof *shown->next)) == NULL
        || (shown->whole = zeros(count, sizeof *shown->whole)) == NULL
        || (shown->is_hidden = zeros((size_t)functions, 1)) == NULL) {
        shown_free(shown);
        return -1;
    }
    for (Py_ssize_t i = 0; i < functions; i++) {
        shown->is_hidden[i] = (char)is_hidden(PyList_GET_ITEM(tree->functions.list, i), prefix);
    }
    find_parents(shown);
    add_up(shown);
    return 0;
}

void shown_free(Shown *shown)
{
    PyMem_RawFree(shown->parent);
    PyMem_RawFree(shown->first);
    PyMem_RawFree(shown->next);
    PyMem_RawFree(shown->whole);
    PyMem_RawFree(shown->is_hidden);
    *shown = (Shown){0};
}

uint32_t shown_after(const Shown *shown, uint32_t node, void (*left)(void *, uint32_t), void *with)
{
    if (shown->first[node] != 0) {
        return shown->first[node];
    }
    while (node != 0) {
        left(with, node);
        if (shown->next[node] != 0) {
            return shown->next[node];
        }
        node = shown->parent[node];
    }
    return 0;
}
