#include "clock.h"

#include <stdio.h>
#include <string.h>

#if defined(REQPROF_HAS_TSC) && !defined(_MSC_VER)
#include <cpuid.h>
#endif

/* The counter is measured against the clock over so much of it, or more. */
#define CALIBRATION_SECONDS 0.02

static int tsc_is_good;
static int64_t tsc_began, wall_began;

#if defined(_WIN32)
static double wall_tick(void)
{
    LARGE_INTEGER frequency;
    QueryPerformanceFrequency(&frequency);
    return 1.0 / (double)frequency.QuadPart;
}
#define CPU_TICK 1e-7
#else
static double wall_tick(void) { return 1e-9; }
#define CPU_TICK 1e-9
#endif

#if defined(REQPROF_HAS_TSC)
/* Advanced Power Management Information, EDX bit 8: the counter runs at one rate in all states. */
static int is_invariant(void)
{
    unsigned int registers[4] = {0};
#if defined(_MSC_VER)
    __cpuid((int *)registers, 0x80000000);
    if (registers[0] < 0x80000007) {
        return 0;
    }
    __cpuid((int *)registers, 0x80000007);
#else
    if (!__get_cpuid(0x80000007, &registers[0], &registers[1], &registers[2], &registers[3])) {
        return 0;
    }
#endif
    return (registers[3] >> 8) & 1;
}

/* Linux strikes the counter from its list where it is not in step on all processors. */
static int is_in_step(void)
{
#if defined(__linux__)
    char line[256] = "";
    FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/available_clocksource", "r");
    if (file == NULL) {
        return 1;
    }
    int known = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    return !known || strstr(line, "tsc") != NULL;
#else
    return 1;
#endif
}

/* Both clocks at one moment: the closest of a few pairs. */
static void read_both(int64_t *tsc, int64_t *wall)
{
    int64_t closest = INT64_MAX;
    for (int i = 0; i < 5; i++) {
        int64_t before = clock_now(CLOCK_OF_TSC);
        int64_t between = clock_wall();
        int64_t after = clock_now(CLOCK_OF_TSC);
        if (after - before < closest) {
            closest = after - before;
            *tsc = before + (after - before) / 2;
            *wall = between;
        }
    }
}
#endif

void clock_start(void)
{
#if defined(REQPROF_HAS_TSC)
    tsc_is_good = is_invariant() && is_in_step();
    if (tsc_is_good) {
        read_both(&tsc_began, &wall_began);
    }
#endif
}

ClockKind clock_for_wall(void) { return tsc_is_good ? CLOCK_OF_TSC : CLOCK_OF_WALL; }

#if defined(REQPROF_HAS_TSC)
static double tsc_tick(void)
{
    static double known;
    if (known > 0) {
        return known;
    }
    int64_t tsc = 0, wall = 0;
    double passed = 0;
    Py_BEGIN_ALLOW_THREADS
    do {
        read_both(&tsc, &wall);
        passed = (double)(wall - wall_began) * wall_tick();
    } while (passed < CALIBRATION_SECONDS);
    Py_END_ALLOW_THREADS
    double tick = passed / (double)(tsc - tsc_began);
    if (passed > 100 * CALIBRATION_SECONDS) {
        known = tick;  /* a longer measure would tell no more */
    }
    return tick;
}
#endif

double clock_seconds(ClockKind kind)
{
    if (kind == CLOCK_OF_CPU) {
        return CPU_TICK;
    }
#if defined(REQPROF_HAS_TSC)
    if (kind == CLOCK_OF_TSC) {
        return tsc_tick();
    }
#endif
    return wall_tick();
}
