#include "tree.h"

#include "hash.h"
#include "output.h"

#define FIRST_ROOM 256  /* nodes; a power of two */

static int grow_nodes(Tree *tree)
{
    if (tree->length < tree->room) {
        return 0;
    }
    size_t room = (size_t)tree->room * 2;
    Node *nodes = PyMem_RawRealloc(tree->nodes, room * sizeof *nodes);
    if (nodes == NULL) {
        return -1;
    }
    tree->nodes = nodes;
    tree->room = (uint32_t)room;
    return 0;
}

static void put(uint32_t *table, uint32_t mask, const Node *node, uint32_t index)
{
    uint32_t slot = hash_of(node->parent, node->key) & mask;
    while (table[slot] != 0) {
        slot = (slot + 1) & mask;
    }
    table[slot] = index;
}

/* At most two thirds full. */
static int grow_table(Tree *tree)
{
    if ((uint64_t)tree->length * 3 < ((uint64_t)tree->mask + 1) * 2) {
        return 0;
    }
    uint32_t mask = tree->mask * 2 + 1;
    uint32_t *table = PyMem_RawCalloc((size_t)mask + 1, sizeof *table);
    if (table == NULL) {
        return -1;
    }
    for (uint32_t i = 1; i < tree->length; i++) {
        put(table, mask, &tree->nodes[i], i);
    }
    PyMem_RawFree(tree->table);
    tree->table = table;
    tree->mask = mask;
    return 0;
}

uint32_t tree_find(const Tree *tree, uint32_t parent, Key key)
{
    uint32_t slot = hash_of(parent, key) & tree->mask;
    for (;;) {
        uint32_t index = tree->table[slot];
        if (index == 0) {
            return 0;
        }
        if (tree->nodes[index].key == key && tree->nodes[index].parent == parent) {
            return index;
        }
        slot = (slot + 1) & tree->mask;
    }
}

uint32_t tree_add(Tree *tree, uint32_t parent, Key key, int64_t place)
{
    if (place < 0 || grow_nodes(tree) < 0 || grow_table(tree) < 0) {
        tree->failed = 1;
        return 0;
    }
    uint32_t index = tree->length++;
    tree->nodes[index] = (Node){.key = key, .parent = parent, .function = (uint32_t)place};
    put(tree->table, tree->mask, &tree->nodes[index], index);
    return index;
}

/* The Python type. */

static PyObject *tree_new(PyTypeObject *type, PyObject *arguments, PyObject *named)
{
    static char *names[] = {"budget", "cpu", NULL};
    unsigned int budget = 50000;
    int cpu = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, named, "|I$p:Tree", names, &budget, &cpu)) {
        return NULL;
    }
    Tree *tree = (Tree *)type->tp_alloc(type, 0);
    if (tree == NULL) {
        return NULL;
    }
    tree->clock = cpu ? CLOCK_OF_CPU : clock_for_wall();
    tree->budget = budget < 1 ? 1 : budget;  /* the root is one */
    tree->room = FIRST_ROOM;
    tree->length = 1;
    tree->mask = FIRST_ROOM * 2 - 1;
    tree->nodes = PyMem_RawCalloc(tree->room, sizeof *tree->nodes);
    tree->table = PyMem_RawCalloc((size_t)tree->mask + 1, sizeof *tree->table);
    if (tree->nodes == NULL || tree->table == NULL || functions_make(&tree->functions) < 0) {
        Py_DECREF(tree);
        return PyErr_NoMemory();
    }
    return (PyObject *)tree;
}

static int tree_traverse(Tree *tree, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(tree));
    Py_VISIT(tree->functions.list);
    return 0;
}

/* Nothing in a tree leads back to it: its lists are cleared with it. */
static void tree_dealloc(Tree *tree)
{
    PyTypeObject *type = Py_TYPE(tree);
    PyObject_GC_UnTrack(tree);
    PyMem_RawFree(tree->nodes);
    PyMem_RawFree(tree->table);
    functions_free(&tree->functions);
    type->tp_free(tree);
    Py_DECREF(type);
}

static PyObject *get_length(Tree *tree, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLong(tree->length);
}

static PyObject *get_beyond(Tree *tree, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(tree->beyond);
}

static PyObject *get_failed(Tree *tree, void *closure)
{
    (void)closure;
    return PyBool_FromLong(tree->failed);
}

PyDoc_STRVAR(tally_doc, "tally()\n--\n\n"
    "How often recording cost something: calls of Python functions, resumptions, calls of C\n"
    "functions, and other calls; and how many Python functions there are, and how many nodes.\n"
    "Calls without a node are taken for calls of Python functions.");

static PyObject *tree_tally(Tree *tree, PyObject *unused)
{
    (void)unused;
    unsigned long long python = tree->beyond, resumes = 0, c = 0, uncounted = 0;
    for (uint32_t i = 0; i < tree->length; i++) {
        const Node *node = &tree->nodes[i];
        *(key_is_c(node->key) ? &c : &python) += node->calls;
        resumes += node->resumes;
        uncounted += node->uncounted;
    }
    Py_ssize_t all = PyList_GET_SIZE(tree->functions.list), functions = 0;
    for (Py_ssize_t i = 0; i < all; i++) {
        functions += PyCode_Check(PyList_GET_ITEM(tree->functions.list, i));
    }
    unsigned int nodes = tree->length - 1;
    return Py_BuildValue("(KKKKnI)", python, resumes, c, uncounted, functions, nodes);
}

static PyGetSetDef tree_getset[] = {
    {"length", (getter)get_length, NULL, "Nodes, the root included.", NULL},
    {"beyond", (getter)get_beyond, NULL, "Calls for which the budget left no node.", NULL},
    {"failed", (getter)get_failed, NULL, "Whether memory ran out while it grew.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef tree_methods[] = {
    {"table", (PyCFunction)tree_table, METH_O, tree_table_doc},
    {"encode", (PyCFunction)tree_encode, METH_O, tree_encode_doc},
    {"tally", (PyCFunction)tree_tally, METH_NOARGS, tally_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot tree_slots[] = {
    {Py_tp_doc, "Tree(budget=50000, *, cpu=False)\n--\n\n"
                "The distinct stacks of one thread's work, at most `budget` of them."},
    {Py_tp_new, tree_new},
    {Py_tp_traverse, tree_traverse},
    {Py_tp_dealloc, tree_dealloc},
    {Py_tp_getset, tree_getset},
    {Py_tp_methods, tree_methods},
    {0, NULL},
};

PyType_Spec tree_spec = {
    .name = "reqprof._exact.Tree",
    .basicsize = sizeof(Tree),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = tree_slots,
};
