/* sys.monitoring's events, which are the whole process's: Python 3.12 and later. */
#include "recording.h"

#if PY_VERSION_HEX >= 0x030C0000

#if defined(_MSC_VER)
#define THREAD_LOCAL __declspec(thread)
#else
#define THREAD_LOCAL _Thread_local
#endif

/* What a thread records in. Any thread that holds the interpreter lock may change it. */
struct Thread {
    Tracer *tracer;  /* a reference, or NULL */
};

static THREAD_LOCAL Thread *here;

static const char CAPSULE[] = "reqprof._exact.thread";

static void switch_to(Thread *thread, Tracer *tracer)
{
    Tracer *old = thread->tracer;
    if (old != NULL) {
        /* Another thread's processor time says nothing of this one's. */
        if (thread == here || old->tree->clock != CLOCK_OF_CPU) {
            tracer_tick(old);
        }
        old->thread = NULL;
    }
    thread->tracer = tracer;
    if (tracer != NULL) {
        Py_INCREF(tracer);
        tracer->thread = thread;
        tracer->since = clock_now(tracer->tree->clock);
    }
    Py_XDECREF((PyObject *)old);
}

/* The thread has ended, and with it its Python state, which held this. */
static void thread_ended(PyObject *capsule)
{
    Thread *thread = PyCapsule_GetPointer(capsule, CAPSULE);
    if (thread == NULL) {
        PyErr_Clear();
        return;
    }
    int is_ours = here == thread;
    if (is_ours) {
        here = NULL;
    }
    switch_to(thread, NULL);
    /* Where another thread has cleared the state, the one that it was of may go on and look here. */
    if (is_ours) {
        PyMem_RawFree(thread);
    }
}

static Thread *thread_here(void)
{
    if (here != NULL) {
        return here;
    }
    PyObject *state = PyThreadState_GetDict();
    if (state == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the thread has no Python state");
        return NULL;
    }
    Thread *thread = PyMem_RawCalloc(1, sizeof *thread);
    if (thread == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    PyObject *capsule = PyCapsule_New(thread, CAPSULE, thread_ended);
    if (capsule == NULL) {
        PyMem_RawFree(thread);
        return NULL;
    }
    int kept = PyDict_SetItemString(state, CAPSULE, capsule);
    Py_DECREF(capsule);  /* where it was not kept, the thread is freed with it */
    if (kept < 0) {
        return NULL;
    }
    here = thread;
    return thread;
}

int recording_begin(Tracer *tracer)
{
    Thread *thread = thread_here();
    if (thread == NULL) {
        return -1;
    }
    if (thread->tracer != NULL || tracer->thread != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "it records already");
        return -1;
    }
    switch_to(thread, tracer);
    return 0;
}

void recording_end(Tracer *tracer)
{
    if (tracer->thread != NULL) {
        switch_to(tracer->thread, NULL);
    }
}

Tracer *recording_here(void) { return here == NULL ? NULL : here->tracer; }

/* The callbacks. Nobody uses what they return, but sys.monitoring.DISABLE. */

#define CALLBACK(name) \
    static PyObject *name(PyObject *module, PyObject *const *arguments, Py_ssize_t count)

CALLBACK(on_start)
{
    (void)module;
    Tracer *tracer = recording_here();
    if (tracer != NULL && count > 0) {
        tracer_enter(tracer, key_of_code(arguments[0]), 0, arguments[0], NULL);
    }
    Py_RETURN_NONE;
}

CALLBACK(on_resume)
{
    (void)module;
    Tracer *tracer = recording_here();
    if (tracer != NULL && count > 0) {
        tracer_enter(tracer, key_of_code(arguments[0]), 1, arguments[0], NULL);
    }
    Py_RETURN_NONE;
}

CALLBACK(on_leave)
{
    (void)module;
    Tracer *tracer = recording_here();
    if (tracer != NULL && count > 0) {
        tracer_leave(tracer, key_of_code(arguments[0]));
    }
    Py_RETURN_NONE;
}

/* The key of what is called, where cProfile counts it: C functions, and methods of C types whose
 * `self` is one of theirs. */
static Key c_key(PyObject *called, PyObject *self)
{
    if (PyCFunction_Check(called)) {
        return key_of_c(((PyCFunctionObject *)called)->m_ml);
    }
    if (Py_IS_TYPE(called, &PyMethodDescr_Type)
        && PyObject_TypeCheck(self, PyDescr_TYPE(called))) {
        return key_of_c(((PyMethodDescrObject *)called)->d_method);
    }
    return 0;
}

CALLBACK(on_call)
{
    (void)module;
    Tracer *tracer = recording_here();
    if (tracer != NULL && count > 3) {
        Key key = c_key(arguments[2], arguments[3]);
        if (key != 0) {
            tracer_enter(tracer, key, 0, arguments[2], arguments[3]);
        }
        else if (!PyFunction_Check(arguments[2]) && !PyMethod_Check(arguments[2])) {
            tracer_pass(tracer);
        }
    }
    Py_RETURN_NONE;
}

CALLBACK(on_c_leave)
{
    (void)module;
    Tracer *tracer = recording_here();
    if (tracer != NULL && count > 3) {
        Key key = c_key(arguments[2], arguments[3]);
        if (key != 0) {
            tracer_leave(tracer, key);
        }
    }
    Py_RETURN_NONE;
}

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, NULL}

PyMethodDef recording_methods[] = {
    METHOD(on_start), METHOD(on_resume), METHOD(on_leave), METHOD(on_call), METHOD(on_c_leave),
    {NULL, NULL, 0, NULL},
};

#endif
