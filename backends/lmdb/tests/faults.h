/* Faults below LMDB and the backend: the n-th call of a kind fails, once. */
#ifndef FFP_LMDB_FAULTS_H
#define FFP_LMDB_FAULTS_H

#include <stdbool.h>

typedef enum fault_kind {
	FAULT_OPEN,
	FAULT_STAT,
	FAULT_WRITE,
	FAULT_SHORT, /* a write of the first half */
	FAULT_SYNC,
	FAULT_KINDS
} fault_kind;

const char *fault_name(fault_kind kind);

/* Lets the n-th call of a kind from here on fail with `error`, n = 1 … */
void fault_arm(fault_kind kind, unsigned n, int error);

/* Calls other(context) once, when dead readers are next looked for, as they are before a map grows. */
void fault_meanwhile(void (*other)(void *context), void *context);

/* Likewise when a file is next given a length, as that of a writable map is. */
void fault_before_length(void (*other)(void *context), void *context);

/* How many were synced so far: directories; files, after they were written; writes, each by the file that it went to. */
unsigned fault_directories_synced(void);
unsigned fault_files_synced(void);
unsigned fault_writes_synced(void);

/* No more faults. Answers whether the one that was armed has struck. */
bool fault_disarm(void);

#endif
