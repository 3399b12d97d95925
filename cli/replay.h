/* ffctl: what the parts of replay share. replay.c reads and runs; tally.c counts and prints. */
#ifndef FFCTL_REPLAY_H
#define FFCTL_REPLAY_H

#include "ffctl.h"

typedef struct ctl_tally ctl_tally;

/* Counts for reports of these dimensions. */
ctl_tally *ctl_tally_new(const char *const *dimensions, size_t dimensions_count);

/* A line that was decided: what it was answered. */
void ctl_tally_outcome(ctl_tally *tally, const ff_report *report, const ff_outcome *outcome);

/* A line that a quota did not admit. */
void ctl_tally_not_admitted(ctl_tally *tally, const char *budget_id);

/* A line at fault; budget_id is NULL where not even that could be read. */
void ctl_tally_invalid(ctl_tally *tally, const char *budget_id);

uint64_t ctl_tally_lines(const ctl_tally *tally);
uint64_t ctl_tally_invalid_lines(const ctl_tally *tally);

/* The summary, as --json asks. */
void ctl_tally_print(const ctl_tally *tally, const ctl_session *session, double seconds);

/* NULL is fine. */
void ctl_tally_free(ctl_tally *tally);

#endif
