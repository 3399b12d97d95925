/* What the model is made of: lists of structs, and what its files share. */
#ifndef FFP_MODEL_ROWS_H
#define FFP_MODEL_ROWS_H

#include "model.h"

enum { ID_SIZE = FF_ID_MAX + 1, WORD_SIZE = 65, KEY_SIZE = 257 };

/* Items of one size, in byte order of the name that each begins with. A name of two parts is joined by a newline, which
 * no name holds and which comes before all that one may hold. */
typedef struct ffp_model_list {
	char *items;
	size_t count, size;
} ffp_model_list;

void *ffp_list_at(const ffp_model_list *of, size_t i);

/* The item of a name, or NULL. */
void *ffp_list_find(const ffp_model_list *of, const char *name);

/* The item of a name, made of zeros where there is none. Pointers to others are no longer good. */
void *ffp_list_make(ffp_model_list *of, const char *name, size_t size);
void ffp_list_drop(ffp_model_list *of, void *item);

/* Walks a list. (The formatter knows a loop by this name.) */
#define foreach(type, item, of) \
	for (type *item = ffp_list_at(of, 0), *item##_end = ffp_list_at(of, (of)->count); item != item##_end; item++)

typedef struct ffp_model_usage {
	char dimension[WORD_SIZE];
	int64_t value, updated_ms;
} ffp_model_usage;

typedef struct ffp_model_ledger {
	char name[ID_SIZE + WORD_SIZE]; /* execution and dimension */
	int64_t value, updated_ms;
} ffp_model_ledger;

typedef struct ffp_model_limits {
	char dimension[WORD_SIZE];
	uint64_t hard, soft;
} ffp_model_limits;

typedef struct ffp_model_budget {
	char id[ID_SIZE];
	bool exists;       /* has a policy; usage may come before it (FF-CB-7) */
	char *policy_text; /* FF-CB-5 */
	ffp_model_list limits;
	int64_t interval_ms;
	bool advisory;
	char scope_type[WORD_SIZE], scope_id[ID_SIZE], on_hard[WORD_SIZE], on_soft[WORD_SIZE];
	int64_t breaches, soft_breaches, last_breach_ms, next_reset_ms, created_ms, updated_ms;
	char last_breach_dimension[WORD_SIZE];
	ffp_model_list usages, ledgers;
} ffp_model_budget;

typedef struct ffp_model_key {
	char name[KEY_SIZE + ID_SIZE]; /* key and budget */
	char *payload;
	ff_outcome outcome;
	int64_t applied_ms, expires_ms;
} ffp_model_key;

typedef struct ffp_model_entry {
	char name[24]; /* the number, with zeros before it */
	char execution[ID_SIZE];
	int64_t number, admitted_ms, expires_ms;
} ffp_model_entry;

typedef struct ffp_model_slot {
	char execution[ID_SIZE];
	int64_t admitted_ms, expires_ms, lease_until_ms;
} ffp_model_slot;

typedef struct ffp_model_quota {
	char id[ID_SIZE];
	bool exists; /* has a policy; admissions with limits of their own may come before it (FF-QA-9) */
	ff_quota_limits limits;
	int64_t latest_ms, next_number, created_ms, updated_ms;
	ffp_model_list entries, slots;
} ffp_model_quota;

struct ffp_model {
	ff_engine_options options;
	ff_clock clock;
	ff_random random;
	int64_t latest_ms;
	ffp_model_list budgets, keys, quotas;
	ffp_model_list kept; /* pointers: what the last call handed out */
};

/* FF-RB-2: a reset is due, written down or not. */
bool ffp_model_is_due(const ffp_model_budget *of, int64_t now_ms);

/* The budget as it is in the period of now; its lists of usage and ledger are empty. */
ffp_model_budget ffp_model_settled(const ffp_model_budget *of, int64_t now_ms);

/* FF-CLK-4 */
int64_t ffp_model_quota_time(const ffp_model_quota *of, int64_t now_ms);

/* FF-QA-6: a slot whose lease is over is nobody's. */
bool ffp_model_is_held(const ffp_model_slot *of, int64_t time_ms);
uint64_t ffp_model_count_slots(const ffp_model_quota *of, int64_t time_ms);

/* FF-CB-5; members in byte order and no spaces. To be freed. */
char *ffp_model_policy_text(const ffp_model_budget *of);

#endif
