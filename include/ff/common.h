/* ff: what hosts and authors of backends share: guarantees, durability, memory. */
#ifndef FF_COMMON_H
#define FF_COMMON_H

#include <stddef.h>
#include <stdint.h>

#include <ff/error.h>

/* One function that allocates (old = NULL), resizes and frees (size = 0), in the manner of lua_Alloc. Thread-safe. */
typedef struct ff_allocator {
	void *(*resize)(void *context, void *old, size_t old_size, size_t size);
	void *context;
} ff_allocator;

/* Guarantees. A conformance case can disprove each. */

/* After commit answered FF_OK the change survives loss of power. */
#define FF_CAP_DURABLE_COMMIT UINT64_C(1)
/* Several processes may have the store open and write to it. */
#define FF_CAP_MULTI_PROCESS UINT64_C(2)
/* A read transaction sees one state, completes while a write transaction is held open, and holds none up. */
#define FF_CAP_SNAPSHOT_READ UINT64_C(4)
/* Several write transactions at a time, one a lane. */
#define FF_CAP_CONCURRENT_WRITERS UINT64_C(8)
#define FF_CAPS_KNOWN UINT64_C(15)

/* The words for one capability bit: "DURABLE_COMMIT"; NULL where the bit is not known. */
FF_API const char *ff_cap_name(uint64_t cap);

/* How much of an acknowledged call can be lost, by `durability=`. Each backend's manual says what that means for it. */
typedef enum ff_durability {
	FF_DURABILITY_FULL = 0,   /* nothing, by loss of power either (the default) */
	FF_DURABILITY_NORMAL = 1, /* nothing by a crash of the process; the last commits by loss of power */
	FF_DURABILITY_NONE = 2    /* what the backend says */
} ff_durability;

/* Told one problem that was found, in one line, as clean and no longer than an error's message. */
typedef void ff_problem_fn(void *context, const char *problem);

#endif
