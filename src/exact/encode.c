/* A tree as bytes: docs/format.md describes them. */
#include "output.h"
#include "shown.h"

#define LONGEST 10  /* bytes of a number of 64 bits, seven in each */

typedef struct {
    unsigned char *bytes;
    size_t length;
    uint32_t up;  /* levels to go up before the next node */
} Output;

static void put(Output *output, uint64_t number)
{
    while (number >= 128) {
        output->bytes[output->length++] = (unsigned char)(number | 128);
        number >>= 7;
    }
    output->bytes[output->length++] = (unsigned char)number;
}

static void go_up(void *with, uint32_t node)
{
    (void)node;
    ((Output *)with)->up++;
}

/* Each node before its children: how many levels to go up first, its function, calls, resumes,
 * uncounted calls, and its own time in nanoseconds. */
static void put_nodes(Output *output, const Shown *shown, double nanoseconds)
{
    for (uint32_t node = shown->first[0]; node != 0;) {
        const Node *found = &shown->tree->nodes[node];
        put(output, output->up);
        put(output, found->function);
        put(output, found->calls);
        put(output, found->resumes);
        put(output, found->uncounted);
        put(output, found->own > 0 ? (uint64_t)((double)found->own * nanoseconds + 0.5) : 0);
        output->up = 0;
        node = shown_after(shown, node, go_up, output);
    }
}

const char tree_encode_doc[] =
    "encode(hidden)\n--\n\n"
    "The labels of the functions, and the nodes as bytes, without the functions of files whose\n"
    "names begin with `hidden`. Nobody may record in the tree meanwhile.";

PyObject *tree_encode(Tree *tree, PyObject *hidden)
{
    if (!PyUnicode_Check(hidden)) {
        PyErr_SetString(PyExc_TypeError, "hidden is a string");
        return NULL;
    }
    double nanoseconds = clock_seconds(tree->clock) * 1e9;
    Shown shown;
    if (shown_make(&shown, tree, hidden) < 0) {
        return NULL;
    }
    PyObject *found = NULL;
    Output output = {.bytes = PyMem_RawMalloc((size_t)tree->length * 6 * LONGEST)};
    if (output.bytes == NULL) {
        PyErr_NoMemory();
    }
    else {
        put_nodes(&output, &shown, nanoseconds);
        PyObject *labels = tree_labels(tree);
        if (labels != NULL) {
            found = Py_BuildValue("(Ny#)", labels, output.bytes, (Py_ssize_t)output.length);
        }
    }
    PyMem_RawFree(output.bytes);
    shown_free(&shown);
    return found;
}
