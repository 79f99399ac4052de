/* How a thread's calls reach its tracer: sys.monitoring's events, or the profile hook of 3.11. */
#ifndef REQPROF_RECORDING_H
#define REQPROF_RECORDING_H

#include "tracer.h"

/* The calling thread records in `tracer` from now on; -1 with an exception where it cannot. */
int recording_begin(Tracer *tracer);

/* It does so no more, whichever thread calls this. Where another thread's hook cannot be taken
 * away, the tracer must be closed first, so that it counts nothing any more. */
void recording_end(Tracer *tracer);

/* What the calling thread records in, or NULL; borrowed. */
Tracer *recording_here(void);

/* The callbacks to register with sys.monitoring; none before Python 3.12. */
extern PyMethodDef recording_methods[];

#endif
