/*
 * The turn to write, which one process has at a time, and what it tells who has it next. It lies before LMDB's own lock,
 * which knows no limit to waiting: who writes without it (a program that is not ff) waits in LMDB's queue, as before.
 */
#ifndef FFP_LMDB_TURN_H
#define FFP_LMDB_TURN_H

#include <stdbool.h>
#include <stdint.h>

#define FFP_TURN_FILE "ff.lock"

typedef struct ffp_turn {
	struct ffp_turn_memory *memory; /* of the file; NULL where that may not be written */
	int file;
} ffp_turn;

/* Opens the file in a directory, or makes it, and answers 0 or an errno, behind which ffp_turn_close is called, too.
 * Nobody else opens it meanwhile. */
int ffp_turn_open(ffp_turn *turn, int directory);
void ffp_turn_close(ffp_turn *turn);

/* Takes the turn, and answers 0, EBUSY where others had it for so long, or another errno. It is given by the thread that
 * took it, or ends with the process. Costs no call of the system where nobody waits. */
int ffp_turn_take(const ffp_turn *turn, int64_t limit_us);
void ffp_turn_give(const ffp_turn *turn);

/* Whether the last commit, of whichever process, may be lost with the power; true where nobody knows. With the turn taken. */
void ffp_turn_set_loose(const ffp_turn *turn, bool loose);
bool ffp_turn_is_loose(const ffp_turn *turn);

#endif
