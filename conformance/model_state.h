/* The state of the model, and what its files share. */
#ifndef FFP_MODEL_STATE_H
#define FFP_MODEL_STATE_H

#include "model.h"
#include "model_list.h"

#define AMOUNT_MAX ((uint64_t)INT64_MAX)
enum { DIMENSIONS_MAX = 64 };

/* Of what is stored: ids, words such as dimensions, and keys, each with its NUL. */
enum { ID_SIZE = FF_ID_MAX + 1, WORD_SIZE = 65, KEY_SIZE = 257 };

struct ffp_model {
	ff_engine_options options;
	ff_clock clock;
	ff_random random;
	int64_t latest_ms;
	ffp_model_list budgets, keys, quotas; /* of ffp_model_budget, ffp_model_key, ffp_model_quota */
	ffp_model_list kept;                  /* pointers: what the last call handed out */
};

/* Zeros that a call hands out: they live until the next call, which forgets them first. */
void *ffp_model_keep(ffp_model *model, size_t size);
void ffp_model_forget(ffp_model *model);

/* FF-LIM-1: UTF-8 without control characters, of so many bytes. NULL is as "". */
bool ffp_model_is_name(const char *name, size_t min, size_t max);
bool ffp_model_is_id(const char *id);
void ffp_model_copy_name(char *to, size_t size, const char *from);

/* A sum of times; what is after the last instant is at it. */
int64_t ffp_model_later(int64_t time_ms, int64_t by_ms);

#endif
