#include "tracer.h"

#include "module.h"
#include "recording.h"

static int tracer_init(Tracer *tracer, PyObject *arguments, PyObject *named)
{
    static char *names[] = {"tree", "builtins", NULL};
    PyObject *tree;
    int builtins = 1;
    if (!PyArg_ParseTupleAndKeywords(
            arguments, named, "O!|$p:Tracer", names, tree_type, &tree, &builtins)) {
        return -1;
    }
    if (tracer->tree != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "a tracer has one tree for good");
        return -1;
    }
    tracer->tree = (Tree *)Py_NewRef(tree);
    tracer->builtins = builtins;
    return 0;
}

static int tracer_traverse(Tracer *tracer, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(tracer));
    Py_VISIT(tracer->tree);
    return 0;
}

/* While it records, its thread has a reference: it does not get here. The tree, which leads to
 * nothing but code, is kept by tp_clear: the thread may still be told to count. */
static void tracer_dealloc(Tracer *tracer)
{
    PyTypeObject *type = Py_TYPE(tracer);
    PyObject_GC_UnTrack(tracer);
    Py_XDECREF((PyObject *)tracer->tree);
    type->tp_free(tracer);
    Py_DECREF(type);
}

/* Naming a function may run the app's code, which may end this tracer and let go of it. Then the
 * call is not counted: the tree may have been read. */
void tracer_enter_new(Tracer *tracer, Key key, int resumed, PyObject *function, PyObject *self)
{
    Tree *tree = tracer->tree;
    uint32_t here = tracer->cursor, child = 0;
    Py_INCREF(tracer);
    if (tree->length < tree->budget) {
        int64_t place = functions_add(&tree->functions, key, function, self);
        if (tracer->closed || recording_here() != tracer || tracer->cursor != here) {
            goto done;
        }
        child = tree_add(tree, here, key, place);
    }
    if (child != 0) {
        tree->nodes[here].last = child;
        tracer_arrive(tracer, child, resumed);
    }
    else {
        tracer->below = 1;
        tree->beyond++;
    }
    tracer->since = clock_now(tree->clock);  /* making a node is none of the app's time */
done:
    Py_DECREF(tracer);
}

/* Its thread records in it, where it is not closed: another thread may do that at any moment. */
static int start(Tracer *tracer)
{
    if (tracer->tree == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "Tracer.__init__() was not called");
        return -1;
    }
    return tracer->closed ? 0 : recording_begin(tracer);
}

PyDoc_STRVAR(begin_doc, "begin()\n--\n\n"
    "The calling thread records in it, from the top, unless it is closed. Raises RuntimeError where\n"
    "the thread or the tracer records already.");

static PyObject *tracer_begin(Tracer *tracer, PyObject *unused)
{
    (void)unused;
    if (start(tracer) < 0) {
        return NULL;
    }
    tracer->cursor = tracer->top;
    tracer->below = 0;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(end_doc, "end()\n--\n\n"
    "Nothing is recorded in it any more, until it begins again.");

static PyObject *tracer_end(Tracer *tracer, PyObject *unused)
{
    (void)unused;
    if (tracer->tree != NULL) {
        recording_end(tracer);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(go_on_doc, "go_on()\n--\n\n"
    "As begin(), but where it ended last: a greenlet was switched to.");

static PyObject *tracer_go_on(Tracer *tracer, PyObject *unused)
{
    (void)unused;
    if (start(tracer) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(hang_doc, "hang(tracer)\n--\n\n"
    "From now on it begins below what runs in `tracer`, which has the same tree.");

static PyObject *tracer_hang(Tracer *tracer, PyObject *other)
{
    if (!PyObject_TypeCheck(other, tracer_type) || ((Tracer *)other)->tree != tracer->tree) {
        PyErr_SetString(PyExc_ValueError, "a tracer hangs below one of the same tree");
        return NULL;
    }
    tracer->cursor = tracer->top = ((Tracer *)other)->cursor;
    tracer->below = ((Tracer *)other)->below;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(close_doc, "close()\n--\n\n"
    "Nothing is ever recorded in it again, whichever thread calls this: its tree may be read.");

static PyObject *tracer_close(Tracer *tracer, PyObject *unused)
{
    (void)unused;
    if (tracer->tree != NULL) {
        recording_end(tracer);
    }
    tracer->closed = 1;
    Py_RETURN_NONE;
}

static PyObject *get_tree(Tracer *tracer, void *closure)
{
    (void)closure;
    return tracer->tree == NULL ? Py_NewRef(Py_None) : Py_NewRef((PyObject *)tracer->tree);
}

static PyMethodDef tracer_methods[] = {
    {"begin", (PyCFunction)tracer_begin, METH_NOARGS, begin_doc},
    {"end", (PyCFunction)tracer_end, METH_NOARGS, end_doc},
    {"go_on", (PyCFunction)tracer_go_on, METH_NOARGS, go_on_doc},
    {"hang", (PyCFunction)tracer_hang, METH_O, hang_doc},
    {"close", (PyCFunction)tracer_close, METH_NOARGS, close_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef tracer_getset[] = {
    {"tree", (getter)get_tree, NULL, "Where it records.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot tracer_slots[] = {
    {Py_tp_doc, "Tracer(tree, *, builtins=True)\n--\n\n"
                "Records the calls of one thread, or one greenlet, in a tree."},
    {Py_tp_init, tracer_init},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_traverse, tracer_traverse},
    {Py_tp_dealloc, tracer_dealloc},
    {Py_tp_methods, tracer_methods},
    {Py_tp_getset, tracer_getset},
    {0, NULL},
};

PyType_Spec tracer_spec = {
    .name = "reqprof._exact.Tracer",
    .basicsize = sizeof(Tracer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC
        | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = tracer_slots,
};
