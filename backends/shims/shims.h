/*
 * Two backends that wrap another, for tests and for a look at what the core asks of a store. Each is opened by its own
 * name, a plus and the scheme of what it wraps, and takes its own parameters out of the URI; the rest is passed on:
 *
 *     trace+sqlite:PATH?trace_file=FILE&busy_timeout_ms=100
 *     fault+sqlite:PATH?slot=commit&nth=3&error=busy
 *     trace+fault+sqlite:PATH?trace_file=FILE&slot=load&error=io
 *
 * trace appends a line a call to trace_file and the totals when it closes; trace.c tells their form.
 *
 * fault lets calls of one slot fail:
 *     slot=open|limits|begin|load|store|commit|check    must be given
 *     error=WORD           must be given; a code's word in lower case, "conflict" included
 *     nth=N                the N-th call of the slot fails; default 1
 *     mode=once|always     that call only (the default), or every one from it on
 *     when=before|after    before the wrapped slot was called (the default), or after it was done. At commit, after is
 *                          for commit_unknown: the change is there and the caller is told that it may not be
 *     native_code=TEXT     the native code that the error carries
 *     retryable=0|1        what the error says of itself; default: as ff_error_set has it
 */
#ifndef FFP_SHIMS_H
#define FFP_SHIMS_H

#include <ff/backend.h>

extern const ff_engine_backend ffp_fault_backend;
extern const ff_engine_backend ffp_trace_backend;

#endif
