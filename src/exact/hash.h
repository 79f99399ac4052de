/* Where to look for a pair of numbers, such as a node and a function, in a table. */
#ifndef REQPROF_HASH_H
#define REQPROF_HASH_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

static inline uint32_t hash_of(uint32_t number, uintptr_t key)
{
    uint64_t mixed = (uint64_t)key * UINT64_C(0x9E3779B97F4A7C15)
        ^ (uint64_t)number * UINT64_C(0xC2B2AE3D27D4EB4F);
    return (uint32_t)(mixed >> 32) ^ (uint32_t)mixed;
}

#endif
