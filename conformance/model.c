/* The contract, naively. Each function names the statements that it is. */
#include "model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_rows.h"

#define AMOUNT_MAX ((uint64_t)INT64_MAX)
#define DAY_MS INT64_C(86400000)
enum { DIMENSIONS_MAX = 64 };

/* ---- memory ------------------------------------------------------------------------------------------------- */

static void copy_name(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

/* What a call hands out lives until the next one. */
static void *keep(ffp_model *model, size_t size)
{
	ffp_model_list *kept = &model->kept;
	kept->size = sizeof(void *);
	kept->items = ffp_resize(kept->items, (kept->count + 1) * kept->size);
	void *memory = memset(ffp_resize(NULL, size), 0, size);
	memcpy(ffp_list_at(kept, kept->count++), &memory, sizeof(memory));
	return memory;
}

static void forget_kept(ffp_model *model)
{
	foreach (void *, kept, &model->kept)
		free(*kept);
	model->kept.count = 0;
}

/* ---- FF-LIM: names and amounts ------------------------------------------------------------------------------ */

/* One character of UTF-8 at `text`, or -1; *length gets its bytes. */
static long decode(const unsigned char *text, size_t *length)
{
	static const long least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	*length = text[0] < 0x80 ? 1 : text[0] >> 5 == 6 ? 2 : text[0] >> 4 == 14 ? 3 : text[0] >> 3 == 30 ? 4 : 0;
	if (*length == 0)
		return -1;
	long point = *length == 1 ? text[0] : text[0] & (0x7f >> *length);
	for (size_t i = 1; i < *length; i++) {
		if (text[i] >> 6 != 2)
			return -1;
		point = point << 6 | (text[i] & 0x3f);
	}
	bool surrogate = point >= 0xd800 && point <= 0xdfff;
	return point < least[*length] || point > 0x10ffff || surrogate ? -1 : point;
}

/* FF-LIM-1 */
static bool is_name(const char *name, size_t min, size_t max)
{
	size_t size = name ? strlen(name) : 0;
	if (size < min || size > max)
		return false;
	for (size_t at = 0, length; at < size; at += length) {
		long point = decode((const unsigned char *)name + at, &length);
		if (point < 0x20 || (point >= 0x7f && point < 0xa0))
			return false;
	}
	return true;
}

static bool is_id(const char *id)
{
	return is_name(id, 1, FF_ID_MAX);
}

static int compare_amounts(const void *left, const void *right)
{
	return strcmp(((const ff_amount *)left)->dimension, ((const ff_amount *)right)->dimension);
}

static void sort_amounts(const ff_report *report, ff_amount *sorted)
{
	memcpy(sorted, report->amounts, report->amounts_count * sizeof(*sorted));
	qsort(sorted, report->amounts_count, sizeof(*sorted), compare_amounts);
}

/* FF-LIM-1, 3, 4, 5 */
static bool are_amounts(const ff_report *report)
{
	if (report->amounts_count < 1 || report->amounts_count > DIMENSIONS_MAX)
		return false;
	for (size_t i = 0; i < report->amounts_count; i++) {
		if (!is_name(report->amounts[i].dimension, 1, 64) || report->amounts[i].amount > AMOUNT_MAX)
			return false;
	}
	ff_amount sorted[DIMENSIONS_MAX];
	sort_amounts(report, sorted);
	for (size_t i = 1; i < report->amounts_count; i++) {
		if (!strcmp(sorted[i - 1].dimension, sorted[i].dimension))
			return false;
	}
	return true;
}

/* A sum of times; what is after the last instant is at it. */
static int64_t later(int64_t time_ms, int64_t by_ms)
{
	return time_ms > INT64_MAX - by_ms ? INT64_MAX : time_ms + by_ms;
}

/* ---- periods (FF-RB) ---------------------------------------------------------------------------------------- */

bool ffp_model_is_due(const ffp_model_budget *of, int64_t now_ms)
{
	return of->exists && of->next_reset_ms != FF_TIME_NONE && now_ms >= of->next_reset_ms;
}

static uint64_t usage_at(const ffp_model_budget *of, const char *dimension, int64_t now_ms)
{
	const ffp_model_usage *found = ffp_list_find(&of->usages, dimension);
	return found && !ffp_model_is_due(of, now_ms) ? (uint64_t)found->value : 0;
}

static void begin_period(ffp_model_budget *of)
{
	foreach (ffp_model_usage, charged, &of->usages)
		charged->value = 0;
	of->ledgers.count = 0; /* FF-SP-3 */
	of->last_breach_ms = FF_TIME_NONE;
	*of->last_breach_dimension = '\0';
}

/* FF-RB-3, FF-RB-7: the last instant of the grid up to now, and the one after it. */
static void settle(ffp_model_budget *of, int64_t now_ms)
{
	if (!ffp_model_is_due(of, now_ms))
		return;
	int64_t last_ms = of->next_reset_ms + (now_ms - of->next_reset_ms) / of->interval_ms * of->interval_ms;
	begin_period(of);
	of->updated_ms = last_ms;
	of->next_reset_ms = last_ms > INT64_MAX - of->interval_ms ? FF_TIME_NONE : last_ms + of->interval_ms;
}

/* ---- create_budget, reset_budget ---------------------------------------------------------------------------- */

static ffp_model_budget *make_budget(ffp_model *model, const char *id)
{
	ffp_model_budget *of = ffp_list_make(&model->budgets, id, sizeof(*of));
	if (!of->exists)
		of->last_breach_ms = of->next_reset_ms = FF_TIME_NONE;
	return of;
}

static bool read_limits(const ff_budget_spec *spec, ffp_model_budget *to)
{
	if (spec->limits_count > DIMENSIONS_MAX)
		return false;
	for (size_t i = 0; i < spec->limits_count; i++) {
		const ff_limit *given = &spec->limits[i];
		bool crossed = given->hard && given->soft > given->hard; /* FF-CB-2 */
		if (!is_name(given->dimension, 1, 64) || given->hard > AMOUNT_MAX || given->soft > AMOUNT_MAX ||
		    crossed || ffp_list_find(&to->limits, given->dimension))
			return false;
		ffp_model_limits *limit = ffp_list_make(&to->limits, given->dimension, sizeof(*limit));
		limit->hard = given->hard;
		limit->soft = given->soft;
	}
	return true;
}

static bool read_policy(const ff_budget_spec *spec, ffp_model_budget *to)
{
	const char *mode = spec->enforcement_mode ? spec->enforcement_mode : "";
	to->advisory = !strcmp(mode, "advisory");
	if (*mode && !to->advisory && strcmp(mode, "strict") != 0)
		return false;
	if (!is_id(spec->budget_id) || !is_name(spec->scope_type, 0, 64) || !is_name(spec->scope_id, 0, 128) ||
	    !is_name(spec->on_hard_limit, 0, 64) || !is_name(spec->on_soft_limit, 0, 64) || spec->reset_interval_ms < 0)
		return false;
	copy_name(to->scope_type, sizeof(to->scope_type), spec->scope_type);
	copy_name(to->scope_id, sizeof(to->scope_id), spec->scope_id);
	copy_name(to->on_hard, sizeof(to->on_hard), spec->on_hard_limit);
	copy_name(to->on_soft, sizeof(to->on_soft), spec->on_soft_limit);
	to->interval_ms = spec->reset_interval_ms;
	if (!read_limits(spec, to))
		return false;
	to->policy_text = ffp_model_policy_text(to);
	return true;
}

static void free_budget(ffp_model_budget *of)
{
	free(of->policy_text);
	free(of->limits.items);
	free(of->usages.items);
	free(of->ledgers.items);
}

/* FF-CB-1 */
static bool is_same_policy(const ffp_model_budget *left, const ffp_model_budget *right)
{
	return left->advisory == right->advisory && !strcmp(left->policy_text, right->policy_text) &&
	       !strcmp(left->scope_type, right->scope_type) && !strcmp(left->scope_id, right->scope_id);
}

static ff_code create_budget(ffp_model *model, const ff_budget_spec *spec, int64_t now_ms, ff_created *created)
{
	ffp_model_budget asked = { .exists = true, .last_breach_ms = FF_TIME_NONE, .next_reset_ms = FF_TIME_NONE };
	if (!read_policy(spec, &asked) || spec->reset_interval_ms > INT64_MAX - now_ms) { /* FF-CB-8 */
		free_budget(&asked);
		return FF_E_INVALID;
	}
	ffp_model_budget *of = make_budget(model, spec->budget_id);
	*created = (ff_created){ .created = !of->exists, .same = !of->exists || is_same_policy(of, &asked) };
	if (of->exists) {
		free_budget(&asked);
		return FF_OK;
	}
	if (asked.interval_ms)
		asked.next_reset_ms = now_ms + asked.interval_ms; /* FF-CB-3 */
	asked.created_ms = asked.updated_ms = now_ms;
	asked.usages = of->usages; /* FF-CB-7 */
	asked.ledgers = of->ledgers;
	copy_name(asked.id, sizeof(asked.id), of->id);
	*of = asked;
	return FF_OK;
}

/* FF-RB-1, 3 */
static ff_code reset_budget(ffp_model *model, const char *id, int64_t now_ms, int64_t *next_reset_ms)
{
	ffp_model_budget *of = ffp_list_find(&model->budgets, id);
	if (!of || !of->exists)
		return FF_E_NOT_FOUND;
	if (of->interval_ms > INT64_MAX - now_ms) /* FF-CB-8 */
		return FF_E_INVALID;
	begin_period(of);
	of->updated_ms = now_ms;
	*next_reset_ms = of->next_reset_ms = of->interval_ms ? now_ms + of->interval_ms : FF_TIME_NONE;
	return FF_OK;
}

/* ---- report_usage, record_spend, release_budget ------------------------------------------------------------- */

/* A report, or a spend where there is an execution, with its amounts in byte order. */
typedef struct charge {
	const ff_report *report;
	const char *execution;
	ff_amount amounts[DIMENSIONS_MAX];
	size_t count;
	int64_t now_ms;
} charge;

/* FF-RU-2: what a key stands for. */
static char *payload_of(const charge *of)
{
	ffp_string payload = { .data = NULL };
	ffp_string_add(&payload, "%s\n%s\n", of->execution ? "spend" : "report", of->execution ? of->execution : "");
	for (size_t i = 0; i < of->count; i++)
		ffp_string_add(&payload, "%s\n%" PRIu64 "\n", of->amounts[i].dimension, of->amounts[i].amount);
	return payload.data;
}

static ff_outcome breach(ff_outcome_kind kind, bool applied, const char *dimension, uint64_t current, uint64_t limit)
{
	ff_outcome outcome = { .kind = kind, .applied = applied, .current_usage = current, .limit = limit };
	copy_name(outcome.dimension, sizeof(outcome.dimension), dimension);
	return outcome;
}

/* FF-RU-9: the first dimension over its hard limit. */
static bool find_breach(const ffp_model_budget *of, const charge *asked, ff_outcome *found)
{
	for (size_t i = 0; i < asked->count; i++) {
		const ff_amount *amount = &asked->amounts[i];
		const ffp_model_limits *limit = ffp_list_find(&of->limits, amount->dimension);
		uint64_t current = usage_at(of, amount->dimension, asked->now_ms);
		if (!limit || !limit->hard || (current <= limit->hard && amount->amount <= limit->hard - current))
			continue;
		*found = breach(FF_OUTCOME_HARD_BREACH, of->advisory, amount->dimension, current, limit->hard);
		return true;
	}
	return false;
}

/* FF-RU-10, FF-RU-15 */
static void count_breach(ffp_model_budget *of, const char *dimension, int64_t now_ms)
{
	settle(of, now_ms);
	of->breaches += of->breaches < INT64_MAX;
	of->last_breach_ms = of->updated_ms = now_ms;
	copy_name(of->last_breach_dimension, sizeof(of->last_breach_dimension), dimension);
}

static bool overflows(const ffp_model_budget *of, const charge *asked)
{
	for (size_t i = 0; i < asked->count; i++) {
		if (asked->amounts[i].amount > AMOUNT_MAX - usage_at(of, asked->amounts[i].dimension, asked->now_ms))
			return true;
	}
	return false;
}

static void apply(ffp_model_budget *of, const charge *asked)
{
	settle(of, asked->now_ms);
	for (size_t i = 0; i < asked->count; i++) {
		ffp_model_usage *charged = ffp_list_make(&of->usages, asked->amounts[i].dimension, sizeof(*charged));
		charged->value += (int64_t)asked->amounts[i].amount;
		charged->updated_ms = asked->now_ms;
		if (!asked->execution)
			continue;
		char name[ID_SIZE + WORD_SIZE];
		snprintf(name, sizeof(name), "%s\n%s", asked->execution, asked->amounts[i].dimension);
		ffp_model_ledger *recorded = ffp_list_make(&of->ledgers, name, sizeof(*recorded)); /* FF-SP-1 */
		recorded->value += (int64_t)asked->amounts[i].amount;
		recorded->updated_ms = asked->now_ms;
	}
}

/* FF-RU-11 */
static ff_outcome look_at_soft_limits(ffp_model_budget *of, const charge *asked)
{
	for (size_t i = 0; i < asked->count; i++) {
		const char *dimension = asked->amounts[i].dimension;
		const ffp_model_limits *limit = ffp_list_find(&of->limits, dimension);
		uint64_t after = usage_at(of, dimension, asked->now_ms);
		if (!limit || !limit->soft || after <= limit->soft)
			continue;
		of->soft_breaches += of->soft_breaches < INT64_MAX;
		of->updated_ms = asked->now_ms;
		return breach(FF_OUTCOME_SOFT_BREACH, true, dimension, after, limit->soft);
	}
	return (ff_outcome){ .kind = FF_OUTCOME_OK, .applied = true };
}

/* FF-RU-7 … 11, FF-CB-4 */
static ff_code decide_charge(ffp_model_budget *of, const charge *asked, ff_outcome *outcome)
{
	bool breached = find_breach(of, asked, outcome);
	bool applies = !breached || of->advisory;
	if (applies && overflows(of, asked))
		return FF_E_OVERFLOW;
	if (applies)
		apply(of, asked);
	if (breached)
		count_breach(of, outcome->dimension, asked->now_ms);
	else
		*outcome = look_at_soft_limits(of, asked);
	return FF_OK;
}

/* FF-RU-1, FF-SP-1 */
static ff_outcome replay(const ffp_model_key *recorded, bool is_spend)
{
	ff_outcome outcome = recorded->outcome;
	if (is_spend && outcome.applied)
		outcome = (ff_outcome){ .kind = FF_OUTCOME_ALREADY_APPLIED, .applied = true };
	outcome.replayed = true;
	return outcome;
}

static void drop_key(ffp_model *model, ffp_model_key *dropped)
{
	free(dropped->payload);
	ffp_list_drop(&model->keys, dropped);
}

/* FF-RU-4, 5: what is decided anew under a key does not make it last longer. */
static void record_key(ffp_model *model, const char *name, const charge *asked, const ff_outcome *outcome,
                       bool is_first)
{
	ffp_model_key *recorded = ffp_list_make(&model->keys, name, sizeof(*recorded));
	if (is_first)
		recorded->expires_ms =
		    later(asked->now_ms, model->options.key_ttl_ms ? model->options.key_ttl_ms : DAY_MS);
	free(recorded->payload);
	recorded->payload = payload_of(asked);
	recorded->applied_ms = asked->now_ms;
	recorded->outcome = *outcome;
}

static ff_code charge_keyed(ffp_model *model, const char *name, const charge *asked, ff_outcome *outcome)
{
	ffp_model_key *used = ffp_list_find(&model->keys, name);
	if (used && asked->now_ms >= used->expires_ms)
		used = NULL;
	char *payload = payload_of(asked);
	bool conflicts = used && strcmp(used->payload, payload) != 0;
	free(payload);
	if (conflicts)
		return FF_E_KEY_CONFLICT;
	if (used && (used->outcome.applied || !asked->report->retry_refused)) {
		*outcome = replay(used, asked->execution != NULL);
		return FF_OK;
	}
	ff_code code = decide_charge(make_budget(model, asked->report->budget_id), asked, outcome);
	if (code == FF_OK)
		record_key(model, name, asked, outcome, !used);
	return code;
}

static ff_code charge_budget(ffp_model *model, const char *execution, const ff_report *report, int64_t now_ms,
                             ff_outcome *outcome)
{
	charge asked = { .report = report, .execution = execution, .count = report->amounts_count, .now_ms = now_ms };
	sort_amounts(report, asked.amounts);
	const ffp_model_budget *known = ffp_list_find(&model->budgets, report->budget_id);
	if (model->options.flags & FF_OPEN_REQUIRE_BUDGET && !(known && known->exists))
		return FF_E_NOT_FOUND;
	if (!report->idempotency_key || !*report->idempotency_key)
		return decide_charge(make_budget(model, report->budget_id), &asked, outcome);
	char name[KEY_SIZE + ID_SIZE]; /* FF-RU-3 */
	snprintf(name, sizeof(name), "%s\n%s", report->idempotency_key, report->budget_id);
	return charge_keyed(model, name, &asked, outcome);
}

/* FF-SP-2, 3 */
static ff_code release_budget(ffp_model *model, const char *id, const char *execution, int64_t now_ms,
                              const ff_released **released)
{
	ff_released *taken = keep(model, sizeof(*taken));
	*released = taken;
	ffp_model_budget *of = ffp_list_find(&model->budgets, id);
	if (!of || ffp_model_is_due(of, now_ms))
		return FF_OK;
	size_t length = strlen(execution);
	ff_amount *amounts = keep(model, of->ledgers.count * sizeof(*amounts));
	taken->amounts = amounts;
	foreach (ffp_model_ledger, recorded, &of->ledgers) {
		if (strncmp(recorded->name, execution, length) != 0 || recorded->name[length] != '\n')
			continue;
		ffp_model_usage *charged = ffp_list_find(&of->usages, recorded->name + length + 1);
		uint64_t back = (uint64_t)(recorded->value < charged->value ? recorded->value : charged->value);
		if (!back)
			continue;
		charged->value -= (int64_t)back;
		charged->updated_ms = now_ms;
		char *dimension = keep(model, WORD_SIZE);
		copy_name(dimension, WORD_SIZE, charged->dimension);
		amounts[taken->amounts_count++] = (ff_amount){ dimension, back };
	}
	for (size_t i = of->ledgers.count; i-- > 0;) {
		ffp_model_ledger *recorded = ffp_list_at(&of->ledgers, i);
		if (!strncmp(recorded->name, execution, length) && recorded->name[length] == '\n')
			ffp_list_drop(&of->ledgers, recorded);
	}
	return FF_OK;
}

/* ---- quotas (FF-QA) ----------------------------------------------------------------------------------------- */

int64_t ffp_model_quota_time(const ffp_model_quota *of, int64_t now_ms)
{
	return now_ms > of->latest_ms ? now_ms : of->latest_ms;
}

static bool are_limits(const ff_quota_limits *asked)
{
	return asked->window_seconds <= UINT64_C(1000000000000) && asked->max_requests_per_window <= AMOUNT_MAX &&
	       asked->max_concurrent <= AMOUNT_MAX && (!asked->max_requests_per_window || asked->window_seconds);
}

/* FF-QA-1 */
static ff_code create_quota(ffp_model *model, const ff_quota_spec *spec, int64_t now_ms, ff_created *created)
{
	ffp_model_quota *of = ffp_list_make(&model->quotas, spec->quota_policy_id, sizeof(*of));
	bool same = of->limits.window_seconds == spec->limits.window_seconds &&
	            of->limits.max_requests_per_window == spec->limits.max_requests_per_window &&
	            of->limits.max_concurrent == spec->limits.max_concurrent;
	*created = (ff_created){ .created = !of->exists, .same = !of->exists || same };
	if (of->exists)
		return FF_OK;
	of->exists = true;
	of->limits = spec->limits;
	of->created_ms = of->updated_ms = now_ms;
	return FF_OK;
}

bool ffp_model_is_held(const ffp_model_slot *of, int64_t time_ms)
{
	return of->lease_until_ms == FF_TIME_NONE || time_ms < of->lease_until_ms;
}

static ffp_model_slot *find_held(const ffp_model_quota *of, const char *execution, int64_t time_ms)
{
	ffp_model_slot *found = ffp_list_find(&of->slots, execution);
	return found && ffp_model_is_held(found, time_ms) ? found : NULL;
}

uint64_t ffp_model_count_slots(const ffp_model_quota *of, int64_t time_ms)
{
	uint64_t held = 0;
	foreach (ffp_model_slot, taken, &of->slots)
		held += ffp_model_is_held(taken, time_ms);
	return held;
}

static uint64_t count_entries(const ffp_model_quota *of, int64_t time_ms)
{
	uint64_t alive = 0;
	foreach (ffp_model_entry, taken, &of->entries)
		alive += time_ms < taken->expires_ms;
	return alive;
}

/* FF-QA-2: the entry max places back, where it is alive. */
static const ffp_model_entry *find_full(const ffp_model_quota *of, uint64_t max, int64_t time_ms)
{
	foreach (ffp_model_entry, taken, &of->entries) {
		if (max && (uint64_t)(of->next_number - taken->number) == max && time_ms < taken->expires_ms)
			return taken;
	}
	return NULL;
}

/* What is over at a time. As a quota's time never goes back, nothing that is over lives again. */
static void drop_over(ffp_model_quota *of, int64_t time_ms)
{
	for (size_t i = of->entries.count; i-- > 0;) {
		ffp_model_entry *taken = ffp_list_at(&of->entries, i);
		if (time_ms >= taken->expires_ms)
			ffp_list_drop(&of->entries, taken);
	}
	for (size_t i = of->slots.count; i-- > 0;) {
		ffp_model_slot *taken = ffp_list_at(&of->slots, i);
		if (!ffp_model_is_held(taken, time_ms))
			ffp_list_drop(&of->slots, taken);
	}
}

/* FF-QA-4: after waiting so long from now exactly, one more is admitted. */
static int64_t retry_after(ffp_model *model, const ffp_model_entry *full, const ff_admission *asked, int64_t now_ms)
{
	int64_t wait_ms = full->expires_ms - now_ms;
	if (!asked->jitter_ms)
		return wait_ms;
	uint64_t random = model->random.next(model->random.context);
	return later(wait_ms, (int64_t)(random % ((uint64_t)asked->jitter_ms + 1)));
}

/* FF-QA-5: a slot in any case, an entry where there is a window. */
static void take(ffp_model_quota *of, const char *execution, uint64_t window_seconds, int64_t time_ms,
                 int64_t lease_until_ms)
{
	int64_t expires_ms = later(time_ms, (int64_t)window_seconds * 1000);
	of->latest_ms = time_ms;
	drop_over(of, time_ms);
	if (window_seconds) {
		char name[24];
		snprintf(name, sizeof(name), "%020" PRId64, of->next_number);
		ffp_model_entry *taken = ffp_list_make(&of->entries, name, sizeof(*taken));
		copy_name(taken->execution, sizeof(taken->execution), execution);
		taken->number = of->next_number++;
		taken->admitted_ms = time_ms;
		taken->expires_ms = expires_ms;
	}
	ffp_model_slot *held = ffp_list_make(&of->slots, execution, sizeof(*held));
	held->admitted_ms = time_ms;
	held->expires_ms = expires_ms;
	held->lease_until_ms = lease_until_ms;
}

/* FF-QA-3 */
static ff_admission_outcome decide_admission(ffp_model *model, ffp_model_quota *of, const ff_admission *asked,
                                             int64_t now_ms)
{
	const ff_quota_limits *bounds = asked->limits ? asked->limits : &of->limits;
	int64_t time_ms = ffp_model_quota_time(of, now_ms);
	int64_t lease_until_ms = asked->lease_ms ? later(time_ms, asked->lease_ms) : FF_TIME_NONE;
	ff_admission_outcome outcome = { .kind = FF_ADMITTED, .retry_after_ms = FF_TIME_NONE };
	ffp_model_slot *held = find_held(of, asked->execution_id, time_ms);
	const ffp_model_entry *full = find_full(of, bounds->max_requests_per_window, time_ms);
	if (held && time_ms < held->expires_ms) {
		if (asked->lease_ms)
			held->lease_until_ms = lease_until_ms;
		outcome.kind = FF_ALREADY_ADMITTED;
	} else if (full) {
		outcome.kind = FF_RATE_EXCEEDED;
		outcome.retry_after_ms = retry_after(model, full, asked, now_ms);
	} else if (!held && bounds->max_concurrent && ffp_model_count_slots(of, time_ms) >= bounds->max_concurrent) {
		outcome.kind = FF_CONCURRENCY_EXCEEDED;
	} else {
		take(of, asked->execution_id, bounds->window_seconds, time_ms, lease_until_ms);
	}
	return outcome;
}

/* FF-QA-2, 9 */
static ff_code admit(ffp_model *model, const ff_admission *asked, int64_t now_ms, ff_admission_outcome *outcome)
{
	const ffp_model_quota *known = ffp_list_find(&model->quotas, asked->quota_policy_id);
	if (!(known && known->exists) && !asked->limits)
		return FF_E_NOT_FOUND;
	*outcome = decide_admission(
	    model, ffp_list_make(&model->quotas, asked->quota_policy_id, sizeof(ffp_model_quota)), asked, now_ms);
	return FF_OK;
}

/* FF-QA-5, 10 */
static ff_code release_admission(ffp_model *model, const char *id, const char *execution, int64_t now_ms, bool *held)
{
	ffp_model_quota *of = ffp_list_find(&model->quotas, id);
	ffp_model_slot *freed = of ? find_held(of, execution, ffp_model_quota_time(of, now_ms)) : NULL;
	*held = freed != NULL;
	if (!freed)
		return FF_OK;
	of->latest_ms = ffp_model_quota_time(of, now_ms);
	ffp_list_drop(&of->slots, freed);
	return FF_OK;
}

/* ---- calls and their times (FF-CLK) ------------------------------------------------------------------------- */

static int64_t own_time(const ff_call *call)
{
	switch (call->op) {
	case FF_OP_CREATE_BUDGET:
		return call->in.create_budget->now_ms;
	case FF_OP_REPORT_USAGE:
		return call->in.report->now_ms;
	case FF_OP_RECORD_SPEND:
		return call->in.spend->report.now_ms;
	case FF_OP_CREATE_QUOTA_POLICY:
		return call->in.create_quota->now_ms;
	case FF_OP_ADMIT:
		return call->in.admission->now_ms;
	case FF_OP_RESET_BUDGET:
	case FF_OP_RELEASE_ADMISSION:
		return call->in.target.now_ms;
	default:
		return 0;
	}
}

int64_t ffp_model_time(const ffp_model *model)
{
	bool has_data_clock = model->options.flags & FF_OPEN_DATA_CLOCK;
	int64_t now_ms = has_data_clock ? 0 : model->clock.now_ms(model->clock.context);
	return now_ms > model->latest_ms ? now_ms : model->latest_ms;
}

static int64_t take_time(ffp_model *model, const ff_call *call)
{
	int64_t own_ms = own_time(call);
	model->latest_ms = ffp_model_time(model);
	if (!(model->options.flags & FF_OPEN_DATA_CLOCK))
		return own_ms ? own_ms : model->latest_ms;
	if (own_ms > model->latest_ms)
		model->latest_ms = own_ms;
	return model->latest_ms;
}

static ff_code decide(ffp_model *model, const ff_call *call, int64_t now_ms)
{
	const char *id = call->in.target.id;
	const char *execution = call->in.target.execution_id;
	switch (call->op) {
	case FF_OP_CREATE_BUDGET:
		return create_budget(model, call->in.create_budget, now_ms, call->out.created);
	case FF_OP_REPORT_USAGE:
		return charge_budget(model, NULL, call->in.report, now_ms, call->out.outcome);
	case FF_OP_RESET_BUDGET:
		return reset_budget(model, id, now_ms, call->out.next_reset_at_ms);
	case FF_OP_RECORD_SPEND:
		return charge_budget(model, call->in.spend->execution_id, &call->in.spend->report, now_ms,
		                     call->out.outcome);
	case FF_OP_RELEASE_BUDGET:
		return release_budget(model, id, execution, now_ms, call->out.released);
	case FF_OP_CREATE_QUOTA_POLICY:
		return create_quota(model, call->in.create_quota, now_ms, call->out.created);
	case FF_OP_ADMIT:
		return admit(model, call->in.admission, now_ms, call->out.admission);
	case FF_OP_RELEASE_ADMISSION:
		return release_admission(model, id, execution, now_ms, call->out.held);
	}
	return FF_E_INVALID;
}

static bool is_report(const ffp_model *model, const ff_report *report)
{
	bool is_backdated = report->now_ms && !(model->options.flags & FF_OPEN_DATA_CLOCK); /* FF-CLK-2 */
	return !is_backdated && is_id(report->budget_id) && is_name(report->idempotency_key, 0, KEY_SIZE - 1) &&
	       are_amounts(report);
}

static bool is_policy(const ff_budget_spec *spec)
{
	ffp_model_budget asked = { .exists = true };
	bool is_good = read_policy(spec, &asked);
	free_budget(&asked);
	return is_good;
}

static bool is_admission(const ff_admission *asked)
{
	return is_id(asked->quota_policy_id) && is_id(asked->execution_id) && asked->lease_ms >= 0 &&
	       asked->jitter_ms >= 0 && asked->jitter_ms <= INT64_C(1000000000000) &&
	       (!asked->limits || are_limits(asked->limits));
}

/* The arguments by themselves; a call whose arguments are wrong has no time. */
static bool is_well_formed(const ffp_model *model, const ff_call *call)
{
	if (own_time(call) < 0)
		return false;
	switch (call->op) {
	case FF_OP_CREATE_BUDGET:
		return is_policy(call->in.create_budget);
	case FF_OP_REPORT_USAGE:
		return is_report(model, call->in.report);
	case FF_OP_RESET_BUDGET:
		return is_id(call->in.target.id);
	case FF_OP_RECORD_SPEND:
		return is_id(call->in.spend->execution_id) && is_report(model, &call->in.spend->report);
	case FF_OP_CREATE_QUOTA_POLICY:
		return is_id(call->in.create_quota->quota_policy_id) && are_limits(&call->in.create_quota->limits);
	case FF_OP_ADMIT:
		return is_admission(call->in.admission);
	case FF_OP_RELEASE_BUDGET:
	case FF_OP_RELEASE_ADMISSION:
		return is_id(call->in.target.id) && is_id(call->in.target.execution_id);
	}
	return false;
}

/* FF-ERR-7 */
static bool is_late(const ffp_model *model, const ff_call *call)
{
	return call->deadline_ms && model->latest_ms >= call->deadline_ms;
}

/* FF-RU-14, FF-CLK-3: a batch is one call after the other. */
void ffp_model_submit(ffp_model *model, ff_call *calls, size_t count)
{
	forget_kept(model);
	for (size_t i = 0; i < count; i++) {
		calls[i].code = FF_E_INVALID;
		if (!is_well_formed(model, &calls[i]))
			continue;
		int64_t now_ms = take_time(model, &calls[i]);
		calls[i].code = is_late(model, &calls[i]) ? FF_E_DEADLINE : decide(model, &calls[i], now_ms);
	}
}

/* ---- status and lists (FF-GS, FF-QA-8) ---------------------------------------------------------------------- */

static const ff_amount *show_usage(ffp_model *model, const ffp_model_budget *of, bool due)
{
	ff_amount *amounts = keep(model, of->usages.count * sizeof(*amounts));
	size_t count = 0;
	foreach (ffp_model_usage, charged, &of->usages)
		amounts[count++] = (ff_amount){ charged->dimension, due ? 0 : (uint64_t)charged->value };
	return amounts;
}

static const ff_limit *show_limits(ffp_model *model, const ffp_model_budget *of)
{
	ff_limit *shown = keep(model, of->limits.count * sizeof(*shown));
	size_t count = 0;
	foreach (ffp_model_limits, limit, &of->limits)
		shown[count++] = (ff_limit){ limit->dimension, limit->hard, limit->soft };
	return shown;
}

ffp_model_budget ffp_model_settled(const ffp_model_budget *of, int64_t now_ms)
{
	ffp_model_budget now = *of;
	now.usages.count = now.ledgers.count = 0;
	settle(&now, now_ms);
	return now;
}

ff_code ffp_model_get_budget_status(ffp_model *model, const char *budget_id, const ff_budget_status **status)
{
	forget_kept(model);
	const ffp_model_budget *of = is_id(budget_id) ? ffp_list_find(&model->budgets, budget_id) : NULL;
	if (!is_id(budget_id))
		return FF_E_INVALID;
	if (!of || !of->exists)
		return FF_E_NOT_FOUND;
	int64_t now_ms = ffp_model_time(model);
	const ffp_model_budget now = ffp_model_settled(of, now_ms);
	ff_budget_status *shown = keep(model, sizeof(*shown));
	*shown = (ff_budget_status){
		.budget_id = of->id,
		.scope_type = of->scope_type,
		.scope_id = of->scope_id,
		.enforcement_mode = of->advisory ? FF_MODE_ADVISORY : FF_MODE_STRICT,
		.on_hard_limit = of->on_hard,
		.on_soft_limit = of->on_soft,
		.reset_interval_ms = of->interval_ms,
		.usage = show_usage(model, of, ffp_model_is_due(of, now_ms)),
		.usage_count = of->usages.count,
		.limits = show_limits(model, of),
		.limits_count = of->limits.count,
		.breach_count = (uint64_t)of->breaches,
		.soft_breach_count = (uint64_t)of->soft_breaches,
		.last_breach_at_ms = now.last_breach_ms,
		.last_breach_dim = now.last_breach_ms == FF_TIME_NONE ? NULL : of->last_breach_dimension,
		.next_reset_at_ms = now.next_reset_ms,
		.created_at_ms = of->created_ms,
		.updated_at_ms = now.updated_ms,
	};
	*status = shown;
	return FF_OK;
}

const char *ffp_model_next_budget(const ffp_model *model, const char *after)
{
	foreach (ffp_model_budget, next, &model->budgets) {
		if (next->exists && strcmp(next->id, after) > 0)
			return next->id;
	}
	return NULL;
}

ff_code ffp_model_get_quota_status(ffp_model *model, const char *quota_id, const ff_quota_status **status)
{
	forget_kept(model);
	const ffp_model_quota *of = is_id(quota_id) ? ffp_list_find(&model->quotas, quota_id) : NULL;
	if (!is_id(quota_id))
		return FF_E_INVALID;
	if (!of || !of->exists)
		return FF_E_NOT_FOUND;
	int64_t time_ms = ffp_model_quota_time(of, ffp_model_time(model));
	const ffp_model_entry *full = find_full(of, of->limits.max_requests_per_window, time_ms);
	ff_quota_status *shown = keep(model, sizeof(*shown));
	*shown = (ff_quota_status){
		.quota_policy_id = of->id,
		.limits = of->limits,
		.in_window = count_entries(of, time_ms),
		.active = ffp_model_count_slots(of, time_ms),
		.next_admission_at_ms = full ? full->expires_ms : FF_TIME_NONE,
		.created_at_ms = of->created_ms,
		.updated_at_ms = of->updated_ms,
	};
	*status = shown;
	return FF_OK;
}

const char *ffp_model_next_quota(const ffp_model *model, const char *after)
{
	foreach (ffp_model_quota, next, &model->quotas) {
		if (next->exists && strcmp(next->id, after) > 0)
			return next->id;
	}
	return NULL;
}

/* ---- moving house (FF-MT-3) --------------------------------------------------------------------------------- */

void ffp_model_tick(ffp_model *model, int64_t now_ms, uint64_t limit)
{
	model->latest_ms = ffp_model_time(model);
	foreach (ffp_model_budget, of, &model->budgets) {
		if (!limit)
			settle(of, now_ms ? now_ms : model->latest_ms);
	}
}

void ffp_model_reopen(ffp_model *model)
{
	model->latest_ms = 0;
}

void ffp_model_move(ffp_model *model)
{
	int64_t now_ms = ffp_model_time(model);
	ffp_model_tick(model, now_ms, 0);
	for (size_t i = model->keys.count; i-- > 0;) {
		ffp_model_key *used = ffp_list_at(&model->keys, i);
		if (now_ms >= used->expires_ms)
			drop_key(model, used);
	}
	foreach (ffp_model_quota, of, &model->quotas)
		drop_over(of, ffp_model_quota_time(of, now_ms));
	ffp_model_reopen(model);
}

/* ---- the model itself --------------------------------------------------------------------------------------- */

ffp_model *ffp_model_new(const ff_engine_options *options)
{
	ffp_model *model = memset(ffp_resize(NULL, sizeof(*model)), 0, sizeof(*model));
	model->options = *options;
	model->clock = *options->clock;
	model->random = *options->random;
	return model;
}

void ffp_model_free(ffp_model *model)
{
	if (!model)
		return;
	forget_kept(model);
	foreach (ffp_model_budget, of, &model->budgets)
		free_budget(of);
	foreach (ffp_model_quota, of, &model->quotas) {
		free(of->entries.items);
		free(of->slots.items);
	}
	foreach (ffp_model_key, used, &model->keys)
		free(used->payload);
	free(model->budgets.items);
	free(model->quotas.items);
	free(model->keys.items);
	free(model->kept.items);
	free(model);
}

static size_t add_edge(int64_t *edges_ms, size_t count, size_t max, int64_t edge_ms)
{
	if (count < max && edge_ms != FF_TIME_NONE)
		edges_ms[count++] = edge_ms;
	return count;
}

size_t ffp_model_edges(const ffp_model *model, int64_t *edges_ms, size_t max)
{
	size_t count = 0;
	foreach (ffp_model_budget, of, &model->budgets)
		count = add_edge(edges_ms, count, max, of->next_reset_ms);
	foreach (ffp_model_key, used, &model->keys)
		count = add_edge(edges_ms, count, max, used->expires_ms);
	foreach (ffp_model_quota, of, &model->quotas) {
		foreach (ffp_model_entry, taken, &of->entries)
			count = add_edge(edges_ms, count, max, taken->expires_ms);
		foreach (ffp_model_slot, held, &of->slots)
			count = add_edge(edges_ms, count, max, held->lease_until_ms);
	}
	return count;
}
