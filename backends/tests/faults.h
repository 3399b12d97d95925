/* Faults below a backend: the n-th operation of a kind fails, once. What asks whether it does is each backend's own. */
#ifndef FFP_BACKEND_FAULTS_H
#define FFP_BACKEND_FAULTS_H

#include "test.h"

typedef enum fault_kind {
	FAULT_OPEN,
	FAULT_STAT,
	FAULT_READ,
	FAULT_WRITE,
	FAULT_SHORT, /* a write of the first half */
	FAULT_SYNC,
	FAULT_SHARE, /* mapping what processes share */
	FAULT_MALLOC,
	FAULT_KINDS
} fault_kind;

const char *fault_name(fault_kind kind);

/* Runs what follows for each kind that can strike the subject. */
#define FOR_EACH_FAULT(kind)                                      \
	for (fault_kind kind = 0; (kind) < FAULT_KINDS; (kind)++) \
		if (subject.faults & 1u << (kind))

/* Lets the n-th operation of a kind from here on fail with EIO, n = 1 … */
void fault_arm(fault_kind kind, unsigned n);

/* Round n = 1 … lets the first fail with EIO, the first with ENOSPC, the second with EIO … */
void fault_arm_round(fault_kind kind, unsigned n);
/* The next round's number; the first's for 0. Some are left out: allocations are many, and alike. */
unsigned fault_round_after(unsigned n);

/* The n-th and all after it. */
void fault_arm_for_ever(fault_kind kind, unsigned n);

/* No more faults. Answers whether the one that was armed has struck. */
bool fault_disarm(void);

/* An operation comes by: whether it fails, with errno set. */
bool fault_strikes(fault_kind kind);

/* Rounds after which one without a fault should have come; and the check that it came, but not at once. */
enum { FAULT_ROUNDS_MAX = 6000 };
void check_rounds(ff_test *t, fault_kind kind, unsigned n);

/* Checks that what failed answers one of `allowed`, which FF_OK ends, and says so in the error, by the system's
 * number too; and that EIO is taken for no matter of room. */
void check_fault(ff_test *t, ff_code code, const ff_code *allowed, const char *doing, fault_kind kind, unsigned n);

/* The value of the row that a commit's faults are tried with, ("a", 1, "c"), in a store that is opened for it. */
int64_t value_in(ff_test *t, const char *path);

#endif
