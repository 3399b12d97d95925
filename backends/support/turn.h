/*
 * The turn to write: a mutex between processes, in a mapped file, which also keeps whether the last commit is synced. It lies
 * before a store's own lock, which knows no limit to waiting, or no queue: who writes without it (a program that is not ff)
 * waits for that, as before.
 */
#ifndef FFP_SUPPORT_TURN_H
#define FFP_SUPPORT_TURN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <ff/backend.h>

typedef struct ffp_turn {
	struct ffp_turn_memory *memory; /* of the file; NULL: there is none */
	int file;
	pid_t process; /* that opened it */
} ffp_turn;

/*
 * Opens the file, in a directory or AT_FDCWD, or makes it, and answers 0 or an errno; 0 without a turn where the right to do
 * so is lacking. In a directory that is not the store's own it has the rights and the owner of `like`, and is EEXIST where
 * somebody else's has the name; with `like` NULL it is the store's, whatever is in it.
 */
int ffp_turn_open(ffp_turn *turn, int directory, const char *name, const struct stat *like);
void ffp_turn_close(ffp_turn *turn);
/* Closes it, and removes the file, if nobody else has it open. */
void ffp_turn_remove(ffp_turn *turn, int directory, const char *name);

/* Takes the turn, and answers 0, EBUSY where others had it up to the limit of `wait`, which has been started, or another errno;
 * 0 where there is none. It is given by the thread that took it, or ends with the process. Costs no call of the system, nor a
 * look at the clock, where nobody waits. */
int ffp_turn_take(const ffp_turn *turn, ff_wait *wait);
void ffp_turn_give(const ffp_turn *turn);

/* Whether the last commit, of whichever process, may be lost with the power; true where nobody knows. With the turn taken. */
void ffp_turn_set_loose(const ffp_turn *turn, bool loose);
bool ffp_turn_is_loose(const ffp_turn *turn);

#endif
