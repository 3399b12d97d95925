/* The backend in memory: its table, and the one thing about it that only a harness wants. */
#ifndef MEMORY_H
#define MEMORY_H

#include <ff/kv.h>

FF_API const ff_engine_backend ff_backend_plugin;

/* Forgets the store memory:NAME, where there is one. No handle on it is open. */
void memory_destroy(const char *name);

#endif
