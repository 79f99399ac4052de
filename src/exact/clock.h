/* What an event reads: time-stamp counter, monotonic clock, or the thread's CPU clock, in ticks. */
#ifndef REQPROF_CLOCK_H
#define REQPROF_CLOCK_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#if defined(_WIN32)
#include <windows.h>
#else
#include <time.h>
#endif

#if defined(__x86_64__) || defined(_M_X64)
#define REQPROF_HAS_TSC 1
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <x86intrin.h>
#endif
#endif

typedef enum { CLOCK_OF_CPU, CLOCK_OF_TSC, CLOCK_OF_WALL } ClockKind;

/* Once, at import: whether the counter can be trusted, and when counting began. */
void clock_start(void);

/* The best clock for wall time that this machine has. */
ClockKind clock_for_wall(void);

/* Seconds in a tick. The first call may wait some milliseconds, without the interpreter lock. */
double clock_seconds(ClockKind kind);

#if defined(_WIN32)
static inline int64_t clock_wall(void)
{
    LARGE_INTEGER count;
    QueryPerformanceCounter(&count);
    return count.QuadPart;
}

static inline int64_t clock_cpu(void)
{
    FILETIME created, ended, kernel, user;
    GetThreadTimes(GetCurrentThread(), &created, &ended, &kernel, &user);
    return (((int64_t)kernel.dwHighDateTime << 32) | kernel.dwLowDateTime)
        + (((int64_t)user.dwHighDateTime << 32) | user.dwLowDateTime);
}
#else
static inline int64_t clock_nanoseconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int64_t clock_wall(void) { return clock_nanoseconds(CLOCK_MONOTONIC); }

static inline int64_t clock_cpu(void) { return clock_nanoseconds(CLOCK_THREAD_CPUTIME_ID); }
#endif

static inline int64_t clock_now(ClockKind kind)
{
#if defined(REQPROF_HAS_TSC)
    if (kind == CLOCK_OF_TSC) {
        return (int64_t)__rdtsc();
    }
#endif
    return kind == CLOCK_OF_CPU ? clock_cpu() : clock_wall();
}

#endif
