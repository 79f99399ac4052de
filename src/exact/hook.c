/* The profile hook of a thread: Python 3.11. */
#include "recording.h"

#if PY_VERSION_HEX < 0x030C0000

#include <opcode.h>

/* Whether a generator's or coroutine's frame goes on, rather than begins. It is told at the RESUME
 * instruction, whose argument says what it was suspended at, 0 being its beginning; or where it was
 * suspended, when something is thrown into it. */
static int is_resumed(PyFrameObject *frame, PyCodeObject *code)
{
    if (!(code->co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR))) {
        return 0;
    }
    int last = PyFrame_GetLasti(frame);
    if (last < 0) {
        return 0;
    }
    const unsigned char *instruction = (const unsigned char *)_PyCode_CODE(code) + last;
    if (instruction[0] == RESUME || instruction[0] == RESUME_QUICK) {
        return instruction[1] != 0;
    }
    return instruction[0] != RETURN_GENERATOR;
}

static int on_event(PyObject *object, PyFrameObject *frame, int event, PyObject *argument)
{
    Tracer *tracer = (Tracer *)object;
    if (tracer->closed) {
        return 0;
    }
    switch (event) {
    case PyTrace_CALL: {
        PyCodeObject *code = PyFrame_GetCode(frame);
        tracer_enter(tracer, key_of_code((PyObject *)code), is_resumed(frame, code),
                     (PyObject *)code, NULL);
        Py_DECREF(code);
        break;
    }
    case PyTrace_RETURN: {
        PyCodeObject *code = PyFrame_GetCode(frame);
        tracer_leave(tracer, key_of_code((PyObject *)code));
        Py_DECREF(code);
        break;
    }
    case PyTrace_C_CALL:
        if (!tracer->builtins) {
            tracer_pass(tracer);
        }
        else if (PyCFunction_Check(argument)) {
            tracer_enter(tracer, key_of_c(((PyCFunctionObject *)argument)->m_ml), 0, argument, NULL);
        }
        break;
    case PyTrace_C_RETURN:
    case PyTrace_C_EXCEPTION:
        if (tracer->builtins && PyCFunction_Check(argument)) {
            tracer_leave(tracer, key_of_c(((PyCFunctionObject *)argument)->m_ml));
        }
        break;
    default:
        break;
    }
    return 0;
}

int recording_begin(Tracer *tracer)
{
    PyEval_SetProfile(on_event, (PyObject *)tracer);
    tracer->since = clock_now(tracer->tree->clock);
    return 0;
}

void recording_end(Tracer *tracer)
{
    PyThreadState *state = PyThreadState_Get();
    if (state->c_profileobj != (PyObject *)tracer) {
        return;
    }
    if (state->c_profilefunc == on_event) {  /* else sys.setprofile() put it back, as any hook */
        tracer_tick(tracer);
    }
    PyEval_SetProfile(NULL, NULL);
}

Tracer *recording_here(void)
{
    PyThreadState *state = PyThreadState_Get();
    return state->c_profilefunc == on_event ? (Tracer *)state->c_profileobj : NULL;
}

PyMethodDef recording_methods[] = {{NULL, NULL, 0, NULL}};

#endif
