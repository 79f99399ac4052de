/* A tree as the table that pstats reads, with the numbers that cProfile would have counted. */
#include "hash.h"
#include "output.h"
#include "shown.h"

typedef struct {
    uint64_t calls, primitive;
    int64_t own, whole;
    uint32_t depth;  /* how often it is on the stack in the walk */
} Row;

typedef struct {
    uint32_t caller, callee;  /* functions */
    Row row;
} Edge;

typedef struct {
    const Shown *shown;
    Row *rows;             /* by function */
    Edge *edges;
    uint32_t count, room;
    uint32_t *index;       /* open addressing: (caller, callee) to edge plus one */
    uint32_t mask;
    uint32_t *edge_of;     /* by node: its edge plus one, 0 for what nobody called */
} Sums;

static uint32_t *edge_slot(const Sums *sums, uint32_t caller, uint32_t callee)
{
    uint32_t slot = hash_of(caller, callee) & sums->mask;
    for (;;) {
        uint32_t *found = &sums->index[slot];
        if (*found == 0
            || (sums->edges[*found - 1].caller == caller
                && sums->edges[*found - 1].callee == callee)) {
            return found;
        }
        slot = (slot + 1) & sums->mask;
    }
}

static int sums_make(Sums *sums, const Shown *shown)
{
    uint32_t count = shown->count;
    uint32_t slots = 8;
    while (slots < count * 2) {
        slots *= 2;
    }
    size_t functions = (size_t)PyList_GET_SIZE(shown->tree->functions.list);
    *sums = (Sums){.shown = shown, .mask = slots - 1};
    sums->rows = PyMem_RawCalloc(functions + 1, sizeof *sums->rows);
    sums->edges = PyMem_RawCalloc(count, sizeof *sums->edges);  /* one for each node at most */
    sums->index = PyMem_RawCalloc(slots, sizeof *sums->index);
    sums->edge_of = PyMem_RawCalloc(count, sizeof *sums->edge_of);
    if (!sums->rows || !sums->edges || !sums->index || !sums->edge_of) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static void sums_free(Sums *sums)
{
    PyMem_RawFree(sums->rows);
    PyMem_RawFree(sums->edges);
    PyMem_RawFree(sums->index);
    PyMem_RawFree(sums->edge_of);
}

/* A call inside a call of the same function, or over the same edge, is no primitive one, and its
 * time is counted by the outermost. */
static void count(Row *row, const Node *node, int64_t whole)
{
    uint64_t calls = node->calls + node->resumes;
    row->calls += calls;
    row->own += node->own;
    if (row->depth++ == 0) {
        row->primitive += calls;
        row->whole += whole;
    }
}

static void enter_node(Sums *sums, uint32_t index)
{
    const Node *nodes = sums->shown->tree->nodes;
    const Node *node = &nodes[index];
    int64_t whole = sums->shown->whole[index];
    count(&sums->rows[node->function], node, whole);
    uint32_t parent = sums->shown->parent[index];
    if (parent == 0) {
        return;
    }
    uint32_t caller = nodes[parent].function;
    uint32_t *slot = edge_slot(sums, caller, node->function);
    if (*slot == 0) {
        sums->edges[sums->count] = (Edge){.caller = caller, .callee = node->function};
        *slot = ++sums->count;
    }
    sums->edge_of[index] = *slot;
    count(&sums->edges[*slot - 1].row, node, whole);
}

static void leave_node(void *with, uint32_t index)
{
    Sums *sums = with;
    sums->rows[sums->shown->tree->nodes[index].function].depth--;
    if (sums->edge_of[index] != 0) {
        sums->edges[sums->edge_of[index] - 1].row.depth--;
    }
}

static void add_up(Sums *sums)
{
    uint32_t node = sums->shown->first[0];
    while (node != 0) {
        enter_node(sums, node);
        node = shown_after(sums->shown, node, leave_node, sums);
    }
}

static PyObject *label_of(PyObject *function)
{
    if (PyCode_Check(function)) {
        const PyCodeObject *code = (const PyCodeObject *)function;
        return Py_BuildValue("(OiO)", code->co_filename, code->co_firstlineno, code->co_name);
    }
    return Py_BuildValue("(siO)", "~", 0, function);
}

/* Adds a row to the one of that name in a dict; `more` is a fifth item, or NULL. */
static int add_row(PyObject *into, PyObject *label, const Row *row, double tick, int is_edge)
{
    unsigned long long first = is_edge ? row->calls : row->primitive;
    unsigned long long second = is_edge ? row->primitive : row->calls;
    double own = (double)row->own * tick, whole = (double)row->whole * tick;
    PyObject *callers = NULL, *entry = NULL;
    PyObject *known = PyDict_GetItemWithError(into, label);
    if (known == NULL && PyErr_Occurred()) {
        return -1;
    }
    if (known != NULL) {
        first += PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(known, 0));
        second += PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(known, 1));
        own += PyFloat_AS_DOUBLE(PyTuple_GET_ITEM(known, 2));
        whole += PyFloat_AS_DOUBLE(PyTuple_GET_ITEM(known, 3));
    }
    if (is_edge) {
        entry = Py_BuildValue("(KKdd)", first, second, own, whole);
    }
    else {
        callers = known == NULL ? PyDict_New() : Py_NewRef(PyTuple_GET_ITEM(known, 4));
        if (callers == NULL) {
            return -1;
        }
        entry = Py_BuildValue("(KKddN)", first, second, own, whole, callers);
    }
    if (entry == NULL) {
        return -1;
    }
    int done = PyDict_SetItem(into, label, entry);
    Py_DECREF(entry);
    return done;
}

static PyObject *as_dict(const Sums *sums, PyObject *labels, double tick)
{
    PyObject *found = PyDict_New();
    if (found == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(labels); i++) {
        if (sums->rows[i].calls != 0
            && add_row(found, PyList_GET_ITEM(labels, i), &sums->rows[i], tick, 0) < 0) {
            goto error;
        }
    }
    for (uint32_t i = 0; i < sums->count; i++) {
        const Edge *edge = &sums->edges[i];
        PyObject *callee = PyDict_GetItemWithError(found, PyList_GET_ITEM(labels, edge->callee));
        if (callee == NULL) {
            goto error;
        }
        PyObject *callers = PyTuple_GET_ITEM(callee, 4);
        if (add_row(callers, PyList_GET_ITEM(labels, edge->caller), &edge->row, tick, 1) < 0) {
            goto error;
        }
    }
    return found;
error:
    Py_DECREF(found);
    return NULL;
}

PyObject *tree_labels(const Tree *tree)
{
    PyObject *labels = PyList_New(0);
    for (Py_ssize_t i = 0; labels != NULL && i < PyList_GET_SIZE(tree->functions.list); i++) {
        PyObject *label = label_of(PyList_GET_ITEM(tree->functions.list, i));
        if (label == NULL || PyList_Append(labels, label) < 0) {
            Py_CLEAR(labels);
        }
        Py_XDECREF(label);
    }
    return labels;
}

const char tree_table_doc[] =
    "table(hidden)\n--\n\n"
    "The pstats table of the tree, seconds and cProfile's counts, without the functions of files\n"
    "whose names begin with `hidden`. Nobody may record in the tree meanwhile.";

PyObject *tree_table(Tree *tree, PyObject *hidden)
{
    if (!PyUnicode_Check(hidden)) {
        PyErr_SetString(PyExc_TypeError, "hidden is a string");
        return NULL;
    }
    double tick = clock_seconds(tree->clock);
    Shown shown;
    if (shown_make(&shown, tree, hidden) < 0) {
        return NULL;
    }
    PyObject *found = NULL, *labels = tree_labels(tree);
    Sums sums = {0};
    if (labels != NULL && sums_make(&sums, &shown) == 0) {
        add_up(&sums);
        found = as_dict(&sums, labels, tick);
    }
    Py_XDECREF(labels);
    sums_free(&sums);
    shown_free(&shown);
    return found;
}
