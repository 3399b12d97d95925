/*
 * The model: docs/semantics.md written a second time, naively, in memory, to compare engines with. It shares nothing
 * with the engine but the public types: lists are walked from end to end, a reset sets every usage to 0, and a key that
 * is over stays until the store moves.
 *
 * It takes the calls that an engine takes, and answers into the same memory. Results that it hands out live until the
 * next call. One thread. Where memory is out it ends the program.
 */
#ifndef FFP_MODEL_H
#define FFP_MODEL_H

#include <ff/ff.h>

typedef struct ffp_model ffp_model;

/* Of the options it takes the flags, key_ttl_ms, the clock and the random source, which must be given. */
ffp_model *ffp_model_new(const ff_engine_options *options);
void ffp_model_free(ffp_model *model);

/* The store is closed and opened again: a new engine has seen no time yet. */
void ffp_model_reopen(ffp_model *model);

/* A tick: it is a request that has a time; an unbounded one leaves budgets in the period of its time, also for calls at
 * an earlier one. It shows nothing else. */
void ffp_model_tick(ffp_model *model, int64_t now_ms, uint64_t limit);

/* The store's export at the engine's time takes the store's place, opened by a new engine. */
void ffp_model_move(ffp_model *model);

/* What the functions of ff_engine_ that are so named answer, the errors by their codes. */
void ffp_model_submit(ffp_model *model, ff_call *calls, size_t count);
ff_code ffp_model_get_budget_status(ffp_model *model, const char *budget_id, const ff_budget_status **status);
ff_code ffp_model_get_quota_status(ffp_model *model, const char *quota_id, const ff_quota_status **status);

/* The first budget (or quota policy) after id `after` in byte order that has a policy, or NULL. */
const char *ffp_model_next_budget(const ffp_model *model, const char *after);
const char *ffp_model_next_quota(const ffp_model *model, const char *after);

/* As ff_engine_export, but for the digest of a key's payload, which no contract fixes: it is 0 in every line. */
ff_code ffp_model_export(ffp_model *model, int64_t now_ms, ff_line_fn *line, void *context);

/* The instants at which something ends: periods, keys, window entries, leases. At most `max`; how many there are. */
size_t ffp_model_edges(const ffp_model *model, int64_t *edges_ms, size_t max);

/* The time that a call without one of its own would have. */
int64_t ffp_model_time(const ffp_model *model);

#endif
