#include "label.h"

/* "<module.name>", without the module where that is builtins or not known. */
static PyObject *of_function(PyObject *module, const char *name)
{
    PyObject *named = NULL;
    if (module != NULL && PyUnicode_Check(module)) {
        named = Py_NewRef(module);
    }
    else if (module != NULL && PyModule_Check(module)) {
        named = PyModule_GetNameObject(module);
        if (named == NULL) {
            PyErr_Clear();
        }
    }
    PyObject *label = NULL;
    if (named != NULL && PyUnicode_CompareWithASCIIString(named, "builtins") != 0) {
        label = PyUnicode_FromFormat("<%U.%s>", named, name);
    }
    else {
        label = PyUnicode_FromFormat("<%s>", name);
    }
    Py_XDECREF(named);
    return label;
}

/* What the type calls its method, else the function's own name. */
static PyObject *of_method(PyObject *self, PyObject *module, const char *name)
{
    PyObject *attribute = PyUnicode_FromString(name);
    if (attribute == NULL) {
        return NULL;
    }
    PyObject *method = _PyType_Lookup(Py_TYPE(self), attribute);
    Py_XINCREF(method);
    Py_DECREF(attribute);
    if (method != NULL) {
        PyObject *label = PyObject_Repr(method);
        Py_DECREF(method);
        if (label != NULL) {
            return label;
        }
    }
    PyErr_Clear();
    if (module != NULL && PyUnicode_Check(module)) {
        return PyUnicode_FromFormat("<built-in method %S.%s>", module, name);
    }
    return PyUnicode_FromFormat("<built-in method %s>", name);
}

PyObject *label_of_c(PyObject *function, PyObject *self)
{
    if (Py_IS_TYPE(function, &PyMethodDescr_Type)) {
        return of_method(self, NULL, ((PyMethodDescrObject *)function)->d_method->ml_name);
    }
    const PyCFunctionObject *c_function = (const PyCFunctionObject *)function;
    const char *name = c_function->m_ml->ml_name;
    /* As the object has it: PyCFunction_GET_SELF() hides it for a static method. */
    if (c_function->m_self == NULL) {
        return of_function(c_function->m_module, name);
    }
    PyObject *module = Py_XNewRef(c_function->m_module);  /* a repr() may change the function's */
    PyObject *label = of_method(c_function->m_self, module, name);
    Py_XDECREF(module);
    return label;
}
