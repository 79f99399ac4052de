#include "functions.h"

#include "hash.h"
#include "label.h"

#define FIRST_ROOM 256  /* functions; a power of two */

int functions_make(Functions *functions)
{
    functions->room = FIRST_ROOM;
    functions->mask = FIRST_ROOM * 2 - 1;
    functions->keys = PyMem_RawMalloc(FIRST_ROOM * sizeof *functions->keys);
    functions->table = PyMem_RawCalloc(FIRST_ROOM * 2, sizeof *functions->table);
    functions->list = PyList_New(0);
    if (functions->keys == NULL || functions->table == NULL || functions->list == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

void functions_free(Functions *functions)
{
    PyMem_RawFree(functions->keys);
    PyMem_RawFree(functions->table);
    Py_CLEAR(functions->list);
}

static uint32_t *slot_of(const Functions *functions, uint32_t *table, uint32_t mask, Key key)
{
    uint32_t slot = hash_of(0, key) & mask;
    while (table[slot] != 0 && functions->keys[table[slot] - 1] != key) {
        slot = (slot + 1) & mask;
    }
    return &table[slot];
}

int64_t functions_find(const Functions *functions, Key key)
{
    return (int64_t)*slot_of(functions, functions->table, functions->mask, key) - 1;
}

/* Room for one more; the table is at most half full. */
static int grow(Functions *functions, uint32_t count)
{
    if (count < functions->room) {
        return 0;
    }
    uint32_t room = functions->room * 2;
    Key *keys = PyMem_RawRealloc(functions->keys, room * sizeof *keys);
    if (keys == NULL) {
        return -1;
    }
    functions->keys = keys;
    uint32_t *table = PyMem_RawCalloc((size_t)room * 2, sizeof *table);
    if (table == NULL) {
        return -1;
    }
    for (uint32_t i = 0; i < count; i++) {
        *slot_of(functions, table, room * 2 - 1, keys[i]) = i + 1;
    }
    PyMem_RawFree(functions->table);
    functions->table = table;
    functions->room = room;
    functions->mask = room * 2 - 1;
    return 0;
}

static int64_t add(Functions *functions, Key key, PyObject *function, PyObject *self)
{
    PyObject *name = key_is_c(key) ? label_of_c(function, self) : Py_NewRef(function);
    if (name == NULL) {
        return -1;
    }
    /* Naming it may have run code that has called it. */
    int64_t place = functions_find(functions, key);
    uint32_t count = (uint32_t)PyList_GET_SIZE(functions->list);
    if (place < 0 && grow(functions, count) == 0 && PyList_Append(functions->list, name) == 0) {
        functions->keys[count] = key;
        *slot_of(functions, functions->table, functions->mask, key) = count + 1;
        place = count;
    }
    Py_DECREF(name);
    return place;
}

int64_t functions_add(Functions *functions, Key key, PyObject *function, PyObject *self)
{
    int64_t place = functions_find(functions, key);
    if (place < 0) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        place = add(functions, key, function, self);
        PyErr_Restore(type, value, traceback);
    }
    return place;
}
