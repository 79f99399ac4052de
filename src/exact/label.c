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

static PyObject *dict_of(PyTypeObject *type)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyType_GetDict(type);
#else
    return Py_XNewRef(type->tp_dict);
#endif
}

/* The type's method of that definition, in whichever of its bases it is; else what it has of that
 * name, as cProfile, which may be a method that overrides this one. A reference, or NULL. */
static PyObject *find_method(PyTypeObject *type, const PyMethodDef *definition)
{
    PyObject *name = PyUnicode_FromString(definition->ml_name);
    PyObject *bases = name == NULL ? NULL : Py_XNewRef(type->tp_mro);
    PyObject *found = NULL;
    for (Py_ssize_t i = 0; bases != NULL && found == NULL && i < PyTuple_GET_SIZE(bases); i++) {
        PyObject *dict = dict_of((PyTypeObject *)PyTuple_GET_ITEM(bases, i));
        PyObject *method = dict == NULL ? NULL : PyDict_GetItemWithError(dict, name);
        if (method != NULL && Py_IS_TYPE(method, &PyMethodDescr_Type)
            && ((PyMethodDescrObject *)method)->d_method == definition) {
            found = Py_NewRef(method);
        }
        Py_XDECREF(dict);
    }
    if (found == NULL && name != NULL) {
        found = Py_XNewRef(_PyType_Lookup(type, name));
    }
    Py_XDECREF(bases);
    Py_XDECREF(name);
    return found;
}

/* What the type calls its method, else the function's own name. */
static PyObject *of_method(PyObject *self, PyObject *module, const PyMethodDef *definition)
{
    const char *name = definition->ml_name;
    PyObject *method = find_method(Py_TYPE(self), definition);
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
        return of_method(self, NULL, ((PyMethodDescrObject *)function)->d_method);
    }
    const PyCFunctionObject *c_function = (const PyCFunctionObject *)function;
    const char *name = c_function->m_ml->ml_name;
    /* As the object has it: PyCFunction_GET_SELF() hides it for a static method. */
    if (c_function->m_self == NULL) {
        return of_function(c_function->m_module, name);
    }
    PyObject *module = Py_XNewRef(c_function->m_module);  /* a repr() may change the function's */
    PyObject *label = of_method(c_function->m_self, module, c_function->m_ml);
    Py_XDECREF(module);
    return label;
}
