#include "label.h"

#define MOST_KNOWN 10000

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

/* A tuple by definition: what keeps that alive, and the label. Most C functions are called by one
 * request after the other. */
static PyObject *known_labels;

static PyObject *find_label(const PyMethodDef *definition)
{
    PyObject *number = PyLong_FromVoidPtr((void *)definition);
    if (number == NULL) {
        return NULL;
    }
    PyObject *known = known_labels == NULL ? NULL : PyDict_GetItemWithError(known_labels, number);
    Py_DECREF(number);
    return known == NULL ? NULL : Py_NewRef(PyTuple_GET_ITEM(known, 1));
}

/* For the next time; without memory there is none. */
static void keep_label(const PyMethodDef *definition, PyObject *holder, PyObject *label)
{
    if (known_labels == NULL) {
        known_labels = PyDict_New();
    }
    PyObject *number = PyLong_FromVoidPtr((void *)definition);
    PyObject *pair = PyTuple_Pack(2, holder, label);
    if (known_labels != NULL && number != NULL && pair != NULL
        && PyDict_GET_SIZE(known_labels) < MOST_KNOWN) {
        PyDict_SetItem(known_labels, number, pair);
    }
    Py_XDECREF(number);
    Py_XDECREF(pair);
    PyErr_Clear();
}

/* The type's method of that definition, in whichever of its bases it is. A reference, or NULL. */
static PyObject *find_method(PyTypeObject *type, PyObject *name, const PyMethodDef *definition)
{
    PyObject *bases = Py_XNewRef(type->tp_mro);
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
    Py_XDECREF(bases);
    return found;
}

/* As cProfile: the repr() of what the type has of that name, which may be a method that overrides
 * the one that is called, or anything of the app's. NULL where there is nothing. */
static PyObject *of_attribute(PyTypeObject *type, PyObject *name)
{
    PyObject *attribute = Py_XNewRef(_PyType_Lookup(type, name));
    PyObject *label = attribute == NULL ? NULL : PyObject_Repr(attribute);
    Py_XDECREF(attribute);
    if (label == NULL) {
        PyErr_Clear();
    }
    return label;
}

/* What the type calls its method, else the function's own name. */
static PyObject *of_method(PyObject *self, PyObject *module, const PyMethodDef *definition)
{
    PyObject *name = PyUnicode_FromString(definition->ml_name);
    if (name == NULL) {
        return NULL;
    }
    PyObject *method = find_method(Py_TYPE(self), name, definition);
    PyObject *label = method == NULL ? of_attribute(Py_TYPE(self), name) : PyObject_Repr(method);
    if (label == NULL) {
        PyErr_Clear();
        label = module != NULL && PyUnicode_Check(module)
            ? PyUnicode_FromFormat("<built-in method %S.%U>", module, name)
            : PyUnicode_FromFormat("<built-in method %U>", name);
        if (label != NULL && PyModule_CheckExact(self)) {
            keep_label(definition, self, label);
        }
    }
    else if (method != NULL) {
        keep_label(definition, method, label);
    }
    Py_XDECREF(method);
    Py_DECREF(name);
    return label;
}

PyObject *label_of_c(PyObject *function, PyObject *self)
{
    if (Py_IS_TYPE(function, &PyMethodDescr_Type)) {
        const PyMethodDef *definition = ((PyMethodDescrObject *)function)->d_method;
        PyObject *known = find_label(definition);
        return known != NULL ? known : of_method(self, NULL, definition);
    }
    const PyCFunctionObject *c_function = (const PyCFunctionObject *)function;
    const PyMethodDef *definition = c_function->m_ml;
    PyObject *known = find_label(definition);
    if (known != NULL) {
        return known;
    }
    PyErr_Clear();
    /* As the object has it: PyCFunction_GET_SELF() hides it for a static method. */
    if (c_function->m_self == NULL) {
        return of_function(c_function->m_module, definition->ml_name);
    }
    PyObject *module = Py_XNewRef(c_function->m_module);  /* a repr() may change the function's */
    PyObject *label = of_method(c_function->m_self, module, definition);
    Py_XDECREF(module);
    return label;
}
