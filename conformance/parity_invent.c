/* Makes up steps: few names, so that they meet; amounts and times near the edges of what the model holds. */
#include <stdio.h>
#include <string.h>

#include "parity.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define PICK(inventor, array) ((array)[below((inventor), COUNT(array))])
#define TWO_53 (INT64_C(1) << 53)

uint64_t ffp_random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t below(ffp_inventor *inventor, uint64_t bound)
{
	return ffp_random_next(&inventor->random) % bound;
}

/* True once in `n` times. */
static bool once_in(ffp_inventor *inventor, uint64_t n)
{
	return below(inventor, n) == 0;
}

/* ---- names -------------------------------------------------------------------------------------------------- */

#define TEN "0123456789"
#define LONG_128 TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "01234567"
#define LONG_64 TEN TEN TEN TEN TEN TEN "0123"
#define LONG_256 LONG_128 LONG_128

static const char *const ids[] = { "a",        "b",         "aa",     "a b", "a\"b\\c'd", "100%", "x=1:2",
	                           "\xc3\xa9", "e\xcc\x81", LONG_128, "~",   "A",         "a/b",  "\xf0\x9f\x98\x80" };
static const char *const words[] = {
	"tokens", "cents", "t", "to", "a\"b\\", "\xe6\x97\xa5", "%s", "x=y:z", LONG_64, "T"
};
static const char *const key_pool[] = { "k1", "k2", "k", "k ", "0195-7", "'", LONG_256, "K1", "k\xc3\xa9", "k2 " };
static const char *const bad_names[] = { "",     LONG_256 "0",       "a\x01",        "\x7f",
	                                 "\xff", "\xc0\xaf",         "\xed\xa0\x80", "\xc2\x80",
	                                 "a\nb", "\xf4\x90\x80\x80", "\xe6\x97",     NULL };

/* Different ones: no pool's count is a multiple of the stride. */
static void draw(ffp_inventor *inventor, const char **to, size_t count, const char *const *from, size_t from_count)
{
	size_t at = below(inventor, from_count);
	for (size_t i = 0; i < count; i++, at += 3)
		to[i] = from[at % from_count];
}

static const char *name_of(ffp_inventor *inventor, const char *const *from, size_t count)
{
	return once_in(inventor, 400) ? PICK(inventor, bad_names) : from[below(inventor, count)];
}

#define NAME(inventor, field) name_of((inventor), (inventor)->field, COUNT((inventor)->field))

const char *ffp_crowd_dimension(unsigned i)
{
	static char names[FFP_STEP_CROWD][8];
	if (!*names[0]) {
		for (unsigned n = 0; n < FFP_STEP_CROWD; n++)
			snprintf(names[n], sizeof(names[n]), "d%02u", n % 100);
	}
	return names[i];
}

/* ---- times -------------------------------------------------------------------------------------------------- */

/* An instant at which something ends, or one beside it; of those that are not out of all sight. */
static int64_t edge(ffp_inventor *inventor)
{
	int64_t edges_ms[256];
	size_t count = ffp_model_edges(inventor->model, edges_ms, COUNT(edges_ms));
	int64_t now_ms = *inventor->clock_ms;
	for (unsigned attempt = 0; count && attempt < 4; attempt++) {
		int64_t edge_ms = edges_ms[below(inventor, count)];
		int64_t side = (int64_t)below(inventor, 3) - 1;
		bool is_far = edge_ms > now_ms && edge_ms - now_ms > INT64_C(10000000000) && !once_in(inventor, 1000);
		if (edge_ms > 1 && edge_ms < INT64_MAX && !is_far)
			return edge_ms + side;
	}
	return now_ms;
}

static int64_t after(int64_t time_ms, uint64_t by_ms)
{
	return by_ms > (uint64_t)(INT64_MAX - time_ms) ? INT64_MAX : time_ms + (int64_t)by_ms;
}

static int64_t before(int64_t time_ms, uint64_t by_ms)
{
	return by_ms < (uint64_t)time_ms ? time_ms - (int64_t)by_ms : 1;
}

static void move_clock(ffp_inventor *inventor)
{
	int64_t now_ms = *inventor->clock_ms;
	unsigned roll = (unsigned)below(inventor, 100);
	if (roll < 60)
		return;
	if (roll < 75)
		now_ms = after(now_ms, below(inventor, 12));
	else if (roll < 90)
		now_ms = edge(inventor);
	else if (roll < 96)
		now_ms = after(now_ms, below(inventor, 4000));
	else
		now_ms = before(now_ms, below(inventor, 3000));
	if (now_ms < *inventor->clock_ms && roll < 96)
		return;
	*inventor->clock_ms = now_ms > inventor->floor_ms ? now_ms : inventor->floor_ms;
}

/* A time of the call's own. */
static int64_t own_time(ffp_inventor *inventor)
{
	int64_t now_ms = *inventor->clock_ms;
	switch (below(inventor, 8)) {
	case 0:
		return once_in(inventor, 20) ? -1 : before(now_ms, below(inventor, 3000));
	case 1:
		return after(now_ms, below(inventor, 3000));
	case 2:
		return edge(inventor);
	default:
		return now_ms;
	}
}

/* ---- numbers ------------------------------------------------------------------------------------------------ */

static uint64_t limit_value(ffp_inventor *inventor)
{
	static const uint64_t limits[] = {
		0, 0, 0, 1, 2, 10, 100, 100, 1000, TWO_53 - 1, TWO_53, TWO_53 + 1, INT64_MAX - 1, INT64_MAX,
	};
	return once_in(inventor, 30) ? (uint64_t)INT64_MAX + 1 : PICK(inventor, limits);
}

/* What is left to a limit of the dimension, or the like. */
static uint64_t room(ffp_inventor *inventor, const char *budget_id, const char *dimension)
{
	const ff_budget_status *status;
	if (!budget_id || !dimension || ffp_model_get_budget_status(inventor->model, budget_id, &status) != FF_OK)
		return 1;
	uint64_t used = 0;
	for (size_t i = 0; i < status->usage_count; i++) {
		if (!strcmp(status->usage[i].dimension, dimension))
			used = status->usage[i].amount;
	}
	for (size_t i = 0; i < status->limits_count; i++) {
		const ff_limit *limit = &status->limits[i];
		uint64_t bound = once_in(inventor, 2) && limit->soft ? limit->soft : limit->hard;
		if (!strcmp(limit->dimension, dimension) && bound)
			return bound > used ? bound - used : 0;
	}
	return (uint64_t)INT64_MAX - used;
}

static uint64_t amount(ffp_inventor *inventor, const char *budget_id, const char *dimension)
{
	static const uint64_t amounts[] = {
		TWO_53 - 1, TWO_53, TWO_53 + 1, INT64_MAX - 1, INT64_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1,
		UINT64_MAX,
	};
	unsigned roll = (unsigned)below(inventor, 100);
	if (roll < 55)
		return below(inventor, 12);
	if (roll < 75)
		return below(inventor, 60);
	if (roll < 95)
		return room(inventor, budget_id, dimension) + below(inventor, 3) - (roll < 85);
	return roll < 97 ? PICK(inventor, amounts) : limit_value(inventor);
}

static int64_t interval(ffp_inventor *inventor)
{
	static const int64_t intervals[] = { 0, 0, 0, 1, 2, 10, 1000, 1000, 1500, 60000, INT64_MAX / 2 };
	switch (below(inventor, 60)) {
	case 0:
		return INT64_MAX;
	case 1:
		return INT64_MAX - *inventor->clock_ms + (int64_t)below(inventor, 2);
	case 2:
		return -1;
	default:
		return PICK(inventor, intervals);
	}
}

static void invent_quota_limits(ffp_inventor *inventor, ff_quota_limits *limits)
{
	static const uint64_t windows[] = { 0, 1, 1, 1, 2, 3, 60, UINT64_C(1000000000000) };
	static const uint64_t maxima[] = { 0, 1, 2, 2, 3, 5, INT64_MAX };
	static const uint64_t slots[] = { 0, 0, 1, 1, 2, 3, INT64_MAX };
	limits->window_seconds = PICK(inventor, windows);
	limits->max_requests_per_window = PICK(inventor, maxima);
	limits->max_concurrent = PICK(inventor, slots);
	if (once_in(inventor, 100))
		limits->window_seconds++;
	else if (once_in(inventor, 200))
		limits->max_concurrent = (uint64_t)INT64_MAX + 1;
	else if (!limits->window_seconds && !once_in(inventor, 20))
		limits->max_requests_per_window = 0;
}

/* ---- calls -------------------------------------------------------------------------------------------------- */

static void invent_dimensions(ffp_inventor *inventor, ffp_step *step)
{
	static const unsigned counts[] = { 0, 1, 1, 1, 1, 2, 2, 3, 4 };
	step->dimensions_count = PICK(inventor, counts);
	if (!step->dimensions_count && !once_in(inventor, 8))
		step->dimensions_count = 1;
	unsigned first = (unsigned)below(inventor, COUNT(inventor->dimensions));
	for (unsigned i = 0; i < step->dimensions_count; i++) {
		step->dimensions[i] = inventor->dimensions[(first + i) % COUNT(inventor->dimensions)];
		if (once_in(inventor, 100))
			step->dimensions[i] = once_in(inventor, 2) ? step->dimensions[0] : PICK(inventor, bad_names);
	}
	if (once_in(inventor, 150))
		step->crowd = 60 + (unsigned)below(inventor, FFP_STEP_CROWD - 60 + 1);
}

/* The spec that a budget was first asked for with, again, or with one thing else. */
static void repeat_budget(ffp_inventor *inventor, ffp_step *step)
{
	const char *id = step->id;
	*step = inventor->created;
	step->id = id;
	switch (below(inventor, 10)) {
	case 0:
		step->mode = step->mode && !strcmp(step->mode, "advisory") ? "" : "advisory";
		break;
	case 1:
		step->scope_type = "other";
		break;
	case 2:
		step->scope_id = "other";
		break;
	case 3:
		step->on_hard = "other";
		break;
	case 4:
		step->on_soft = "other";
		break;
	case 5:
		step->interval_ms = step->interval_ms < 60000 ? step->interval_ms + 1 : 1;
		break;
	case 6:
		step->soft[0] = step->soft[0] ? step->soft[0] - 1 : 0;
		break;
	case 7:
		step->amounts[0] = step->amounts[0] ? step->amounts[0] + 1 : 0;
		break;
	default:
		break;
	}
}

static void invent_budget(ffp_inventor *inventor, ffp_step *step)
{
	if (inventor->created.op && once_in(inventor, 2)) {
		repeat_budget(inventor, step);
		return;
	}
	static const char *const modes[] = { NULL, "", "strict", "strict", "strict", "advisory", "advisory" };
	static const char *const hints[] = { NULL, "", "stop", "say \"no\"", LONG_64, "\xe2\x82\xac" };
	step->mode = once_in(inventor, 60) ? "Strict" : PICK(inventor, modes);
	step->on_hard = once_in(inventor, 100) ? LONG_64 "x" : PICK(inventor, hints);
	step->on_soft = PICK(inventor, hints);
	step->scope_type = PICK(inventor, hints);
	step->scope_id = once_in(inventor, 100) ? LONG_128 "x" : PICK(inventor, hints);
	step->interval_ms = interval(inventor);
	invent_dimensions(inventor, step);
	if (once_in(inventor, 3))
		step->dimensions_count = 0;
	for (unsigned i = 0; i < step->dimensions_count; i++) {
		step->amounts[i] = limit_value(inventor);
		step->soft[i] = limit_value(inventor);
		if (step->amounts[i] && step->soft[i] > step->amounts[i] && !once_in(inventor, 10))
			step->soft[i] = below(inventor, step->amounts[i]);
	}
	const ff_budget_status *status;
	if (ffp_model_get_budget_status(inventor->model, step->id, &status) == FF_E_NOT_FOUND)
		inventor->created = *step;
}

static void invent_report(ffp_inventor *inventor, ffp_step *step)
{
	invent_dimensions(inventor, step);
	for (unsigned i = 0; i < step->dimensions_count; i++)
		step->amounts[i] = amount(inventor, step->id, step->dimensions[i]);
	step->key = once_in(inventor, 2) ? NAME(inventor, keys) : once_in(inventor, 2) ? "" : NULL;
	if (step->key && !once_in(inventor, 5)) { /* a key's payload is mostly the same */
		uint64_t sum = 0;
		for (const char *byte = step->key; *byte; byte++)
			sum = sum * 31 + (unsigned char)*byte;
		step->dimensions_count = 1;
		step->dimensions[0] = inventor->dimensions[sum % COUNT(inventor->dimensions)];
		step->amounts[0] = sum % 7 * 5;
		step->crowd = 0;
	}
	step->retry_refused = once_in(inventor, 3);
}

static void invent_admission(ffp_inventor *inventor, ffp_step *step)
{
	static const int64_t leases_ms[] = { 0, 0, 0, 1, 500, 1000, 2500, INT64_MAX };
	static const int64_t jitters_ms[] = { 0, 0, 10, 1000, INT64_C(1000000000000) };
	step->lease_ms = once_in(inventor, 200) ? -1 : PICK(inventor, leases_ms);
	step->jitter_ms = once_in(inventor, 200) ? -1 : PICK(inventor, jitters_ms);
	step->has_limits = once_in(inventor, 4);
	if (step->has_limits)
		invent_quota_limits(inventor, &step->limits);
}

static void invent_times(ffp_inventor *inventor, ffp_step *step)
{
	bool is_charge = step->op == FF_OP_REPORT_USAGE || step->op == FF_OP_RECORD_SPEND;
	bool has_data_clock = inventor->setting->flags & FF_OPEN_DATA_CLOCK;
	if (has_data_clock ? !once_in(inventor, 10) : once_in(inventor, is_charge ? 300 : 6))
		step->now_ms = own_time(inventor);
	bool is_floored = has_data_clock || step->op >= FF_OP_CREATE_QUOTA_POLICY;
	if (is_floored && step->now_ms > 0 && step->now_ms < inventor->floor_ms)
		step->now_ms = inventor->floor_ms;
	if (!has_data_clock && once_in(inventor, 100))
		step->deadline_ms = after(*inventor->clock_ms, below(inventor, 3)) - 1;
}

static ffp_step invent_call(ffp_inventor *inventor)
{
	static const ff_op ops[] = {
		FF_OP_REPORT_USAGE,
		FF_OP_REPORT_USAGE,
		FF_OP_REPORT_USAGE,
		FF_OP_REPORT_USAGE,
		FF_OP_REPORT_USAGE,
		FF_OP_REPORT_USAGE,
		FF_OP_RECORD_SPEND,
		FF_OP_RECORD_SPEND,
		FF_OP_RECORD_SPEND,
		FF_OP_RELEASE_BUDGET,
		FF_OP_CREATE_BUDGET,
		FF_OP_RESET_BUDGET,
		FF_OP_CREATE_QUOTA_POLICY,
		FF_OP_ADMIT,
		FF_OP_ADMIT,
		FF_OP_ADMIT,
		FF_OP_ADMIT,
		FF_OP_RELEASE_ADMISSION,
	};
	ffp_step step = { .kind = FFP_STEP_CALL, .op = PICK(inventor, ops) };
	bool is_quota = step.op >= FF_OP_CREATE_QUOTA_POLICY;
	step.id = is_quota ? NAME(inventor, quotas) : NAME(inventor, budgets);
	step.execution = NAME(inventor, executions);
	if (step.op == FF_OP_CREATE_BUDGET)
		invent_budget(inventor, &step);
	else if (step.op == FF_OP_REPORT_USAGE || step.op == FF_OP_RECORD_SPEND)
		invent_report(inventor, &step);
	else if (step.op == FF_OP_CREATE_QUOTA_POLICY)
		invent_quota_limits(inventor, &step.limits);
	else if (step.op == FF_OP_ADMIT)
		invent_admission(inventor, &step);
	invent_times(inventor, &step);
	step.is_direct = once_in(inventor, 2);
	step.has_arrays = once_in(inventor, 4);
	return step;
}

/* Now and then a crowd of calls. */
static unsigned batch_size(ffp_inventor *inventor)
{
	if (!once_in(inventor, 10))
		return 1;
	return once_in(inventor, 40) ? 300 : 2 + (unsigned)below(inventor, 63);
}

/* ---- other steps -------------------------------------------------------------------------------------------- */

/* What a tick or an import has done cannot be undone by a clock that goes back. */
static void raise_floor(ffp_inventor *inventor, int64_t time_ms)
{
	if (time_ms > inventor->floor_ms)
		inventor->floor_ms = time_ms;
	if (*inventor->clock_ms < inventor->floor_ms)
		*inventor->clock_ms = inventor->floor_ms;
}

/* Where a tick is bounded nobody knows which budgets it moved, so that its time must have come for all. */
static ffp_step invent_tick(ffp_inventor *inventor)
{
	bool has_data_clock = inventor->setting->flags & FF_OPEN_DATA_CLOCK;
	int64_t edge_ms = once_in(inventor, 2) ? edge(inventor) : 0;
	if (edge_ms > *inventor->clock_ms)
		*inventor->clock_ms = edge_ms;
	ffp_step step = { .kind = FFP_STEP_TICK };
	step.limit = once_in(inventor, 2) ? 0 : 1 + (unsigned)below(inventor, 5);
	if (!has_data_clock && once_in(inventor, 3))
		step.now_ms = own_time(inventor);
	raise_floor(inventor, step.limit && step.now_ms > 0 ? step.now_ms : ffp_model_time(inventor->model));
	step.clock_ms = *inventor->clock_ms;
	return step;
}

static ffp_step invent_opening(ffp_inventor *inventor, ffp_step_kind kind)
{
	bool all_reopen = inventor->setting->all_reopen;
	bool has_data_clock = inventor->setting->flags & FF_OPEN_DATA_CLOCK;
	/* With the data clock a new engine's time is 0, from before what a tick may have purged. */
	ffp_step step = { .kind = has_data_clock ? FFP_STEP_MOVE : kind };
	if (step.kind == FFP_STEP_MOVE || !all_reopen)
		raise_floor(inventor, ffp_model_time(inventor->model));
	step.clock_ms = *inventor->clock_ms;
	return step;
}

static ffp_step invent_look(ffp_inventor *inventor)
{
	ffp_step step = { .clock_ms = *inventor->clock_ms };
	if (once_in(inventor, 4)) {
		step.kind = FFP_STEP_STATUS;
		step.id = once_in(inventor, 2) ? PICK(inventor, ids) : PICK(inventor, bad_names);
		return step;
	}
	static const uint32_t limits[] = { 0, 1, 1, 2, 2, 3, 1000, 1001 };
	step.kind = FFP_STEP_LIST;
	step.id = once_in(inventor, 3) ? NULL : once_in(inventor, 20) ? PICK(inventor, bad_names) : PICK(inventor, ids);
	step.limit = PICK(inventor, limits);
	return step;
}

static ffp_step invent_other(ffp_inventor *inventor)
{
	unsigned roll = (unsigned)below(inventor, 100);
	if (roll < 40)
		return invent_look(inventor);
	if (roll < 70)
		return invent_tick(inventor);
	if (roll < 85)
		return invent_opening(inventor, roll < 78 ? FFP_STEP_REOPEN : FFP_STEP_MOVE);
	ffp_step step = { .kind = roll < 97 ? FFP_STEP_EXPORT : FFP_STEP_CHECK, .clock_ms = *inventor->clock_ms };
	if (once_in(inventor, 3))
		step.now_ms = own_time(inventor);
	if (step.now_ms > 0 && step.now_ms < inventor->floor_ms)
		step.now_ms = inventor->floor_ms;
	return step;
}

ffp_step ffp_step_invent(ffp_inventor *inventor)
{
	bool joins = inventor->batch_left > 0;
	if (!joins) {
		move_clock(inventor);
		if (once_in(inventor, 8))
			return invent_other(inventor);
		inventor->batch_left = batch_size(inventor);
	}
	inventor->batch_left--;
	ffp_step step = invent_call(inventor);
	step.joins = joins;
	step.clock_ms = *inventor->clock_ms;
	step.random = ffp_random_next(&inventor->random);
	return step;
}

/* ---- settings ----------------------------------------------------------------------------------------------- */

void ffp_setting_invent(ffp_setting *setting, uint64_t seed)
{
	static const int64_t ttls_ms[] = { 0, 1, 1000, 1000, 3000 };
	static const uint32_t purge_rows[] = { 0, 1, 3 };
	ffp_inventor inventor = { .random = seed };
	setting->seed = seed;
	setting->flags = once_in(&inventor, 6) ? FF_OPEN_DATA_CLOCK : 0;
	setting->flags |= once_in(&inventor, 6) ? FF_OPEN_REQUIRE_BUDGET : 0;
	setting->key_ttl_ms = PICK(&inventor, ttls_ms);
	setting->purge_rows_max = PICK(&inventor, purge_rows);
	setting->start_ms = once_in(&inventor, 20) ? INT64_MAX - 30000 : 1000000;
}

void ffp_inventor_begin(ffp_inventor *inventor, const ffp_setting *setting, ffp_model *model, int64_t *clock_ms)
{
	*inventor =
	    (ffp_inventor){ .random = ~setting->seed, .setting = setting, .model = model, .clock_ms = clock_ms };
	*clock_ms = setting->start_ms;
	draw(inventor, inventor->budgets, COUNT(inventor->budgets), ids, COUNT(ids));
	draw(inventor, inventor->quotas, COUNT(inventor->quotas), ids, COUNT(ids));
	draw(inventor, inventor->executions, COUNT(inventor->executions), ids, COUNT(ids));
	draw(inventor, inventor->keys, COUNT(inventor->keys), key_pool, COUNT(key_pool));
	draw(inventor, inventor->dimensions, COUNT(inventor->dimensions), words, COUNT(words));
}
