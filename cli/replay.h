/* ffctl: what the parts of replay share. replay.c reads and runs; tally.c counts and prints. */
#ifndef FFCTL_REPLAY_H
#define FFCTL_REPLAY_H

#include "ffctl.h"

/* What became of the lines of one budget, or of all. Each line counts in exactly one of the first four. */
typedef struct ctl_counts {
	uint64_t accepted;
	uint64_t refused;
	uint64_t replayed;
	uint64_t invalid;
	uint64_t soft; /* of those accepted: over a soft limit */
	uint64_t over; /* of those accepted: over an advisory budget's hard limit */
} ctl_counts;

typedef struct ctl_tally ctl_tally;

/* Counts for reports of these dimensions. */
ctl_tally *ctl_tally_new(const char *const *dimensions, size_t dimensions_count);

/* A line that was decided: what it was answered. */
void ctl_tally_outcome(ctl_tally *tally, const ff_report *report, const ff_outcome *outcome);

/* A line that a quota did not admit. */
void ctl_tally_not_admitted(ctl_tally *tally, const char *budget_id);

/* A line at fault; budget_id is NULL where not even that could be read. */
void ctl_tally_invalid(ctl_tally *tally, const char *budget_id);

const ctl_counts *ctl_tally_total(const ctl_tally *tally);

/* The summary, as --json asks. */
void ctl_tally_print(const ctl_tally *tally, const ctl_session *session, double seconds);

/* NULL is fine. */
void ctl_tally_free(ctl_tally *tally);

#endif
