/* Generates steps: few names, so that they meet; amounts and times near the edges of what the model holds. */
#include "parity_generate.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define PICK(generator, array) ((array)[below((generator), COUNT(array))])
#define TWO_53 (INT64_C(1) << 53)

/* Random numbers (splitmix64). */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t below(ffp_generator *generator, uint64_t bound)
{
	return random_next(&generator->random) % bound;
}

/* True once in `n` times. */
static bool once_in(ffp_generator *generator, uint64_t n)
{
	return below(generator, n) == 0;
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
static void draw(ffp_generator *generator, const char **to, size_t count, const char *const *from, size_t from_count)
{
	size_t at = below(generator, from_count);
	for (size_t i = 0; i < count; i++, at += 3)
		to[i] = from[at % from_count];
}

static const char *name_of(ffp_generator *generator, const char *const *from, size_t count)
{
	return once_in(generator, 400) ? PICK(generator, bad_names) : from[below(generator, count)];
}

#define NAME(generator, field) name_of((generator), (generator)->field, COUNT((generator)->field))

/* ---- times -------------------------------------------------------------------------------------------------- */

/* An instant at which something ends, or one beside it; of those that are not out of all sight. */
static int64_t edge(ffp_generator *generator)
{
	int64_t edges_ms[256];
	size_t count = ffp_model_edges(generator->model, edges_ms, COUNT(edges_ms));
	int64_t now_ms = *generator->clock_ms;
	for (unsigned attempt = 0; count && attempt < 4; attempt++) {
		int64_t edge_ms = edges_ms[below(generator, count)];
		int64_t side = (int64_t)below(generator, 3) - 1;
		bool is_far = edge_ms > now_ms && edge_ms - now_ms > INT64_C(10000000000) && !once_in(generator, 1000);
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

static void move_clock(ffp_generator *generator)
{
	int64_t now_ms = *generator->clock_ms;
	unsigned roll = (unsigned)below(generator, 100);
	if (roll < 60)
		return;
	if (roll < 75)
		now_ms = after(now_ms, below(generator, 12));
	else if (roll < 90)
		now_ms = edge(generator);
	else if (roll < 96)
		now_ms = after(now_ms, below(generator, 4000));
	else
		now_ms = before(now_ms, below(generator, 3000));
	if (now_ms < *generator->clock_ms && roll < 96)
		return;
	*generator->clock_ms = now_ms > generator->floor_ms ? now_ms : generator->floor_ms;
}

/* A time of the call's own. */
static int64_t own_time(ffp_generator *generator)
{
	int64_t now_ms = *generator->clock_ms;
	switch (below(generator, 8)) {
	case 0:
		return once_in(generator, 20) ? -1 : before(now_ms, below(generator, 3000));
	case 1:
		return after(now_ms, below(generator, 3000));
	case 2:
		return edge(generator);
	default:
		return now_ms;
	}
}

/* ---- numbers ------------------------------------------------------------------------------------------------ */

static uint64_t limit_value(ffp_generator *generator)
{
	static const uint64_t limits[] = {
		0, 0, 0, 1, 2, 10, 100, 100, 1000, TWO_53 - 1, TWO_53, TWO_53 + 1, INT64_MAX - 1, INT64_MAX,
	};
	return once_in(generator, 30) ? (uint64_t)INT64_MAX + 1 : PICK(generator, limits);
}

/* What is left to a limit of the dimension, or the like. */
static uint64_t room(ffp_generator *generator, const char *budget_id, const char *dimension)
{
	const ff_budget_status *status;
	if (!budget_id || !dimension || ffp_model_get_budget_status(generator->model, budget_id, &status) != FF_OK)
		return 1;
	uint64_t used = 0;
	for (size_t i = 0; i < status->usage_count; i++) {
		if (!strcmp(status->usage[i].dimension, dimension))
			used = status->usage[i].amount;
	}
	for (size_t i = 0; i < status->limits_count; i++) {
		const ff_limit *limit = &status->limits[i];
		uint64_t bound = once_in(generator, 2) && limit->soft ? limit->soft : limit->hard;
		if (!strcmp(limit->dimension, dimension) && bound)
			return bound > used ? bound - used : 0;
	}
	return (uint64_t)INT64_MAX - used;
}

static uint64_t amount(ffp_generator *generator, const char *budget_id, const char *dimension)
{
	static const uint64_t amounts[] = {
		TWO_53 - 1, TWO_53, TWO_53 + 1, INT64_MAX - 1, INT64_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1,
		UINT64_MAX,
	};
	unsigned roll = (unsigned)below(generator, 100);
	if (roll < 55)
		return below(generator, 12);
	if (roll < 75)
		return below(generator, 60);
	if (roll < 95)
		return room(generator, budget_id, dimension) + below(generator, 3) - (roll < 85);
	return roll < 97 ? PICK(generator, amounts) : limit_value(generator);
}

static int64_t interval(ffp_generator *generator)
{
	static const int64_t intervals[] = { 0, 0, 0, 1, 2, 10, 1000, 1000, 1500, 60000, INT64_MAX / 2 };
	switch (below(generator, 60)) {
	case 0:
		return INT64_MAX;
	case 1:
		return INT64_MAX - *generator->clock_ms + (int64_t)below(generator, 2);
	case 2:
		return -1;
	default:
		return PICK(generator, intervals);
	}
}

static void generate_quota_limits(ffp_generator *generator, ff_quota_limits *limits)
{
	static const uint64_t windows[] = { 0, 1, 1, 1, 2, 3, 60, UINT64_C(1000000000000) };
	static const uint64_t maxima[] = { 0, 1, 2, 2, 3, 5, INT64_MAX };
	static const uint64_t slots[] = { 0, 0, 1, 1, 2, 3, INT64_MAX };
	limits->window_seconds = PICK(generator, windows);
	limits->max_requests_per_window = PICK(generator, maxima);
	limits->max_concurrent = PICK(generator, slots);
	if (once_in(generator, 100))
		limits->window_seconds++;
	else if (once_in(generator, 200))
		limits->max_concurrent = (uint64_t)INT64_MAX + 1;
	else if (!limits->window_seconds && !once_in(generator, 20))
		limits->max_requests_per_window = 0;
}

/* ---- calls -------------------------------------------------------------------------------------------------- */

static void generate_dimensions(ffp_generator *generator, ffp_step *step)
{
	static const unsigned counts[] = { 0, 1, 1, 1, 1, 2, 2, 3, 4 };
	step->dimensions_count = PICK(generator, counts);
	if (!step->dimensions_count && !once_in(generator, 8))
		step->dimensions_count = 1;
	unsigned first = (unsigned)below(generator, COUNT(generator->dimensions));
	for (unsigned i = 0; i < step->dimensions_count; i++) {
		step->dimensions[i] = generator->dimensions[(first + i) % COUNT(generator->dimensions)];
		if (once_in(generator, 100))
			step->dimensions[i] = once_in(generator, 2) ? step->dimensions[0] : PICK(generator, bad_names);
	}
	if (once_in(generator, 150))
		step->crowd = 60 + (unsigned)below(generator, FFP_STEP_CROWD - 60 + 1);
}

/* The spec that a budget was first asked for with, again, or with one thing else. */
static void repeat_budget(ffp_generator *generator, ffp_step *step)
{
	const char *id = step->id;
	*step = generator->created;
	step->id = id;
	switch (below(generator, 10)) {
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

static void generate_budget(ffp_generator *generator, ffp_step *step)
{
	if (generator->created.op && once_in(generator, 2)) {
		repeat_budget(generator, step);
		return;
	}
	static const char *const modes[] = { NULL, "", "strict", "strict", "strict", "advisory", "advisory" };
	static const char *const hints[] = { NULL, "", "stop", "say \"no\"", LONG_64, "\xe2\x82\xac" };
	step->mode = once_in(generator, 60) ? "Strict" : PICK(generator, modes);
	step->on_hard = once_in(generator, 100) ? LONG_64 "x" : PICK(generator, hints);
	step->on_soft = PICK(generator, hints);
	step->scope_type = PICK(generator, hints);
	step->scope_id = once_in(generator, 100) ? LONG_128 "x" : PICK(generator, hints);
	step->interval_ms = interval(generator);
	generate_dimensions(generator, step);
	if (once_in(generator, 3))
		step->dimensions_count = 0;
	for (unsigned i = 0; i < step->dimensions_count; i++) {
		step->amounts[i] = limit_value(generator);
		step->soft[i] = limit_value(generator);
		if (step->amounts[i] && step->soft[i] > step->amounts[i] && !once_in(generator, 10))
			step->soft[i] = below(generator, step->amounts[i]);
	}
	const ff_budget_status *status;
	if (ffp_model_get_budget_status(generator->model, step->id, &status) == FF_E_NOT_FOUND)
		generator->created = *step;
}

static void generate_report(ffp_generator *generator, ffp_step *step)
{
	generate_dimensions(generator, step);
	for (unsigned i = 0; i < step->dimensions_count; i++)
		step->amounts[i] = amount(generator, step->id, step->dimensions[i]);
	step->key = once_in(generator, 2) ? NAME(generator, keys) : once_in(generator, 2) ? "" : NULL;
	if (step->key && !once_in(generator, 5)) { /* a key's payload is mostly the same */
		uint64_t sum = 0;
		for (const char *byte = step->key; *byte; byte++)
			sum = sum * 31 + (unsigned char)*byte;
		step->dimensions_count = 1;
		step->dimensions[0] = generator->dimensions[sum % COUNT(generator->dimensions)];
		step->amounts[0] = sum % 7 * 5;
		step->crowd = 0;
	}
	step->retry_refused = once_in(generator, 3);
}

static void generate_admission(ffp_generator *generator, ffp_step *step)
{
	static const int64_t leases_ms[] = { 0, 0, 0, 1, 500, 1000, 2500, INT64_MAX };
	static const int64_t jitters_ms[] = { 0, 0, 10, 1000, INT64_C(1000000000000) };
	step->lease_ms = once_in(generator, 200) ? -1 : PICK(generator, leases_ms);
	step->jitter_ms = once_in(generator, 200) ? -1 : PICK(generator, jitters_ms);
	step->has_limits = once_in(generator, 4);
	if (step->has_limits)
		generate_quota_limits(generator, &step->limits);
}

static void generate_times(ffp_generator *generator, ffp_step *step)
{
	bool is_charge = step->op == FF_OP_REPORT_USAGE || step->op == FF_OP_RECORD_SPEND;
	bool has_data_clock = generator->setting->flags & FF_OPEN_DATA_CLOCK;
	if (has_data_clock ? !once_in(generator, 10) : once_in(generator, is_charge ? 300 : 6))
		step->now_ms = own_time(generator);
	bool is_floored = has_data_clock || ffp_step_is_quota(step);
	if (is_floored && step->now_ms > 0 && step->now_ms < generator->floor_ms)
		step->now_ms = generator->floor_ms;
	if (!has_data_clock && once_in(generator, 100))
		step->deadline_ms = after(*generator->clock_ms, below(generator, 3)) - 1;
}

/* How often each is drawn: a report 6 times in 18. */
static const ff_op ops[] = {
	FF_OP_REPORT_USAGE,  FF_OP_REPORT_USAGE, FF_OP_REPORT_USAGE,        FF_OP_REPORT_USAGE, FF_OP_REPORT_USAGE,
	FF_OP_REPORT_USAGE,  FF_OP_RECORD_SPEND, FF_OP_RECORD_SPEND,        FF_OP_RECORD_SPEND, FF_OP_RELEASE_BUDGET,
	FF_OP_CREATE_BUDGET, FF_OP_RESET_BUDGET, FF_OP_CREATE_QUOTA_POLICY, FF_OP_ADMIT,        FF_OP_ADMIT,
	FF_OP_ADMIT,         FF_OP_ADMIT,        FF_OP_RELEASE_ADMISSION,
};

static ffp_step generate_call(ffp_generator *generator)
{
	ffp_step step = { .kind = FFP_STEP_CALL, .op = PICK(generator, ops) };
	step.id = ffp_step_is_quota(&step) ? NAME(generator, quotas) : NAME(generator, budgets);
	step.execution = NAME(generator, executions);
	if (step.op == FF_OP_CREATE_BUDGET)
		generate_budget(generator, &step);
	else if (step.op == FF_OP_REPORT_USAGE || step.op == FF_OP_RECORD_SPEND)
		generate_report(generator, &step);
	else if (step.op == FF_OP_CREATE_QUOTA_POLICY)
		generate_quota_limits(generator, &step.limits);
	else if (step.op == FF_OP_ADMIT)
		generate_admission(generator, &step);
	generate_times(generator, &step);
	step.is_direct = once_in(generator, 2);
	step.has_arrays = once_in(generator, 4);
	return step;
}

/* Now and then a crowd of calls. */
static unsigned batch_size(ffp_generator *generator)
{
	if (!once_in(generator, 10))
		return 1;
	return once_in(generator, 40) ? FFP_BATCH_MAX : 2 + (unsigned)below(generator, 63);
}

/* ---- other steps -------------------------------------------------------------------------------------------- */

/* What a tick or an import has done cannot be undone by a clock that goes back. */
static void raise_floor(ffp_generator *generator, int64_t time_ms)
{
	if (time_ms > generator->floor_ms)
		generator->floor_ms = time_ms;
	if (*generator->clock_ms < generator->floor_ms)
		*generator->clock_ms = generator->floor_ms;
}

/* Where a tick is bounded nobody knows which budgets it moved, so that its time must have come for all. */
static ffp_step generate_tick(ffp_generator *generator)
{
	bool has_data_clock = generator->setting->flags & FF_OPEN_DATA_CLOCK;
	int64_t edge_ms = once_in(generator, 2) ? edge(generator) : 0;
	if (edge_ms > *generator->clock_ms)
		*generator->clock_ms = edge_ms;
	ffp_step step = { .kind = FFP_STEP_TICK };
	step.limit = once_in(generator, 2) ? 0 : 1 + (unsigned)below(generator, 5);
	if (!has_data_clock && once_in(generator, 3))
		step.now_ms = own_time(generator);
	raise_floor(generator, step.limit && step.now_ms > 0 ? step.now_ms : ffp_model_time(generator->model));
	step.clock_ms = *generator->clock_ms;
	return step;
}

static ffp_step generate_opening(ffp_generator *generator, ffp_step_kind kind)
{
	bool all_reopen = generator->setting->all_reopen;
	bool has_data_clock = generator->setting->flags & FF_OPEN_DATA_CLOCK;
	/* With the data clock a new engine's time is 0, from before what a tick may have purged. */
	ffp_step step = { .kind = has_data_clock ? FFP_STEP_MOVE : kind };
	if (step.kind == FFP_STEP_MOVE || !all_reopen)
		raise_floor(generator, ffp_model_time(generator->model));
	step.clock_ms = *generator->clock_ms;
	return step;
}

static ffp_step generate_look(ffp_generator *generator)
{
	ffp_step step = { .clock_ms = *generator->clock_ms };
	if (once_in(generator, 4)) {
		step.kind = FFP_STEP_STATUS;
		step.id = once_in(generator, 2) ? PICK(generator, ids) : PICK(generator, bad_names);
		return step;
	}
	static const uint32_t limits[] = { 0, 1, 1, 2, 2, 3, 1000, 1001 };
	step.kind = FFP_STEP_LIST;
	step.id = once_in(generator, 3)    ? NULL
	          : once_in(generator, 20) ? PICK(generator, bad_names)
	                                   : PICK(generator, ids);
	step.limit = PICK(generator, limits);
	return step;
}

static ffp_step generate_other(ffp_generator *generator)
{
	unsigned roll = (unsigned)below(generator, 100);
	if (roll < 40)
		return generate_look(generator);
	if (roll < 70)
		return generate_tick(generator);
	if (roll < 85)
		return generate_opening(generator, roll < 78 ? FFP_STEP_REOPEN : FFP_STEP_MOVE);
	ffp_step step = { .kind = roll < 97 ? FFP_STEP_EXPORT : FFP_STEP_CHECK, .clock_ms = *generator->clock_ms };
	if (once_in(generator, 3))
		step.now_ms = own_time(generator);
	if (step.now_ms > 0 && step.now_ms < generator->floor_ms)
		step.now_ms = generator->floor_ms;
	return step;
}

static ffp_step generate_step(ffp_generator *generator)
{
	bool joins = generator->batch_left > 0;
	if (!joins) {
		move_clock(generator);
		if (once_in(generator, 8))
			return generate_other(generator);
		generator->batch_left = batch_size(generator);
	}
	generator->batch_left--;
	ffp_step step = generate_call(generator);
	step.joins = joins;
	step.clock_ms = *generator->clock_ms;
	step.random = random_next(&generator->random);
	return step;
}

void ffp_batch_generate(ffp_generator *generator, ffp_steps *to)
{
	do {
		ffp_step step = generate_step(generator);
		ffp_steps_add(to, &step);
	} while (generator->batch_left);
}

/* ---- episodes --------------------------------------------------------------------------------------------------- */

/* A number that was drawn, not the generator's state: streams that begin at states in a row are one stream. */
uint64_t ffp_seed_next(uint64_t seed)
{
	return random_next(&seed);
}

void ffp_setting_generate(ffp_setting *setting, uint64_t seed)
{
	static const int64_t ttls_ms[] = { 0, 1, 1000, 1000, 3000 };
	static const uint32_t purge_rows[] = { 0, 1, 3 };
	ffp_generator generator = { .random = seed };
	setting->seed = seed;
	setting->flags = once_in(&generator, 6) ? FF_OPEN_DATA_CLOCK : 0;
	setting->flags |= once_in(&generator, 6) ? FF_OPEN_REQUIRE_BUDGET : 0;
	setting->key_ttl_ms = PICK(&generator, ttls_ms);
	setting->purge_rows_max = PICK(&generator, purge_rows);
	setting->start_ms = once_in(&generator, 20) ? INT64_MAX - 30000 : 1000000;
}

void ffp_generator_begin(ffp_generator *generator, const ffp_setting *setting, ffp_model *model, int64_t *clock_ms)
{
	*generator =
	    (ffp_generator){ .random = ~setting->seed, .setting = setting, .model = model, .clock_ms = clock_ms };
	draw(generator, generator->budgets, COUNT(generator->budgets), ids, COUNT(ids));
	draw(generator, generator->quotas, COUNT(generator->quotas), ids, COUNT(ids));
	draw(generator, generator->executions, COUNT(generator->executions), ids, COUNT(ids));
	draw(generator, generator->keys, COUNT(generator->keys), key_pool, COUNT(key_pool));
	draw(generator, generator->dimensions, COUNT(generator->dimensions), words, COUNT(words));
}
