/* Faults below SQLite: the n-th operation of a kind fails, once. */
#ifndef FFP_SQLITE_FAULTS_H
#define FFP_SQLITE_FAULTS_H

#include <stdbool.h>

typedef enum fault_kind {
	FAULT_OPEN,
	FAULT_READ,
	FAULT_WRITE,
	FAULT_SYNC,
	FAULT_SHARE, /* mapping the log's index */
	FAULT_MALLOC,
	FAULT_KINDS
} fault_kind;

const char *fault_name(fault_kind kind);

/* Puts the faults below SQLite; before anything else is done with it. */
bool fault_install(void);

/* Lets the n-th operation of a kind from here on fail, n = 1 … */
void fault_arm(fault_kind kind, unsigned n);

/* And all after it. */
void fault_arm_for_ever(fault_kind kind, unsigned n);

/* No more faults. Answers whether the one that was armed has struck. */
bool fault_disarm(void);

#endif
