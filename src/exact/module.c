/* reqprof._exact: records a thread's calls as a calling-context tree. */
#include "module.h"

#include "recording.h"

PyTypeObject *tree_type, *tracer_type;

PyDoc_STRVAR(here_doc, "here()\n--\n\nThe tracer in which the calling thread records, or None.");

static PyObject *exact_here(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    Tracer *tracer = recording_here();
    return Py_NewRef(tracer == NULL ? Py_None : (PyObject *)tracer);
}

PyDoc_STRVAR(clock_doc, "clock()\n--\n\nThe name of the clock that trees of wall time use.");

static PyObject *exact_clock(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyUnicode_FromString(clock_for_wall() == CLOCK_OF_TSC ? "time-stamp counter" : "system");
}

static PyMethodDef module_methods[] = {
    {"here", exact_here, METH_NOARGS, here_doc},
    {"clock", exact_clock, METH_NOARGS, clock_doc},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject *add_type(PyObject *module, PyType_Spec *spec)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    if (type != NULL && PyModule_AddType(module, type) < 0) {
        Py_CLEAR(type);
    }
    return type;
}

static int module_exec(PyObject *module)
{
#if defined(Py_GIL_DISABLED)
    PyErr_SetString(PyExc_ImportError, "free-threaded Python is not supported: trees have no locks");
    return -1;
#endif
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "sub-interpreters are not supported");
        return -1;
    }
    clock_start();
    Py_XSETREF(tree_type, add_type(module, &tree_spec));
    Py_XSETREF(tracer_type, add_type(module, &tracer_spec));
    if (tree_type == NULL || tracer_type == NULL) {
        return -1;
    }
    return PyModule_AddFunctions(module, recording_methods);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "reqprof._exact",
    .m_doc = "Records a thread's calls as a calling-context tree.",
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__exact(void) { return PyModuleDef_Init(&definition); }
