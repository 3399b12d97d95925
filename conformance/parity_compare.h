/* The comparison: every step goes into each store and into the model, and all must answer the same. */
#ifndef FFP_PARITY_COMPARE_H
#define FFP_PARITY_COMPARE_H

#include <ff/conformance.h>

#include "model.h"
#include "parity_step.h"
#include "text.h"

enum { FFP_SUBJECTS_MAX = 16 };

/* A store under test, and what it answered to the last batch. */
typedef struct ffp_subject {
	const ff_harness *harness;
	char uri[FF_URI_SIZE];
	ff_engine *engine;
	ffp_string answer;
	ffp_string digests; /* of exported payloads, which the model does not know */
} ffp_subject;

typedef struct ffp_comparison {
	ffp_subject subjects[FFP_SUBJECTS_MAX];
	size_t subjects_count;
	ffp_model *model;
	ffp_string answer; /* the model's */
	ff_engine_options options;
	ff_clock clock;
	ff_random source;
	int64_t clock_ms; /* what the clock answers */
	uint64_t random;  /* what the random source answers */
} ffp_comparison;

/* Fresh stores and a fresh model. Whatever it answers, it is to be closed. False: a store cannot be opened. */
bool ffp_comparison_open(ffp_comparison *of, const ffp_setting *setting);
void ffp_comparison_close(ffp_comparison *of);

/* A step, or a batch of calls, into all; true where all answered the same. */
bool ffp_comparison_step(ffp_comparison *of, const ffp_step *batch, size_t count);

/* What outlives a close: harnesses and answers. */
void ffp_comparison_free(ffp_comparison *of);

#endif
