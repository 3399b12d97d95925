/* What calls cost: rows that are read, texts that are parsed, members that are walked over. Counted, never timed. */
#include <stdlib.h>

#include "budget.h"
#include "engine.h"
#include "json.h"
#include "leases.h"
#include "report.h"
#include "rows.h"
#include "tests.h"
#include "text.h"

/* ---- spends and releases ------------------------------------------------------------------------------------ */

static size_t rows_read;

static void count_rows(ff_read *reads, size_t count)
{
	for (size_t i = 0; i < count; i++)
		rows_read += reads[i].kind == FF_READ_GET ? reads[i].row != NULL : reads[i].rows_count;
}

static size_t rows_of_a_spend(ff_test *t, ff_engine *e, const char *amounts)
{
	ffp_fault.mangle = count_rows;
	rows_read = 0;
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", amounts), "ok");
	ffp_fault.mangle = NULL;
	return rows_read;
}

/* A spend of one dimension or two reads a row of each, as a report does, and one of more as many besides as a report may
 * name, however many others its execution has spent. */
static void spend_reads_its_own_rows(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	size_t few[2] = { 0 }, more[2] = { 0 };
	for (int round = 0, spent = 0; round < 2; round++) {
		for (; spent < 200 + 300 * round; spent++)
			FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", ff_test_text(t, "d%03d=1", spent)), "ok");
		few[round] = rows_of_a_spend(t, e, "d000=1 d199=1");
		more[round] = rows_of_a_spend(t, e, "d000=1 d001=1 d198=1 d199=1");
	}
	FF_CHECK_EQ_INT(t, few[1], few[0]);
	FF_CHECK_EQ_INT(t, more[1], more[0]);
	FF_CHECK(t, few[1] <= 4 && more[1] <= 8 + 65);
	const char *released = ffp_release(t, e, "b", "x");
	FF_CHECK(t, strstr(released, "d000=5 d001=3 d002=1") && strstr(released, "d198=3 d199=5 d200=1"));
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_BUDGET_USAGE_BY_EXEC), 0);
}

static ff_call spend_call(ff_test *t, const char *amounts)
{
	const ffp_amounts *list = ffp_amounts_of(t, amounts);
	ff_spend *spend = ff_test_alloc(t, sizeof(*spend));
	*spend = (ff_spend){ .report = { .budget_id = "b", .amounts = list->list, .amounts_count = list->count },
		             .execution_id = "x" };
	return (ff_call){ .op = FF_OP_RECORD_SPEND, .in.spend = spend };
}

static ff_call release_call(const ff_released **released)
{
	return (ff_call){ .op = FF_OP_RELEASE_BUDGET,
		          .in.target = { .id = "b", .execution_id = "x" },
		          .out.released = released };
}

/* A release takes what the calls in front of it have spent, and those that were spent before the batch. */
static void release_takes_what_is_there(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=1 old=2"), "ok");
	for (int round = 0; round < 2; round++) {
		const ff_released *released[5] = { NULL };
		ff_call calls[] = {
			round ? release_call(&released[0]) : spend_call(t, "a=10"),
			spend_call(t, "b=5 a=3"),
			release_call(&released[1]),
			release_call(&released[2]),
			spend_call(t, "a=7"),
			spend_call(t, "a=1 c=1"),
			release_call(&released[3]),
			spend_call(t, "a=4 b=1"),
		};
		FF_REQUIRE_OK(t, ff_engine_submit(e, calls, COUNT_OF(calls), ff_test_error(t)));
		static const size_t counts[2][4] = { { 0, 3, 0, 2 }, { 2, 2, 0, 2 } };
		static const uint64_t first[2][4] = { { 0, 14, 0, 8 }, { 4, 3, 0, 8 } };
		for (size_t i = 0; i < 4; i++) {
			FF_CHECK_EQ_INT(t, released[i] ? released[i]->amounts_count : 0, counts[round][i]);
			if (released[i] && counts[round][i])
				FF_CHECK_EQ_INT(t, released[i]->amounts[0].amount, first[round][i]);
			ff_free(released[i]);
		}
		FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=4 b=1 c=0 old=0");
		FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_BUDGET_USAGE_BY_EXEC), 2);
	}
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* ---- policies ----------------------------------------------------------------------------------------------- */

static size_t parsed_pieces;

static void *count_piece(size_t size)
{
	parsed_pieces++;
	return malloc(size);
}

static void stop_counting(void *ignored)
{
	(void)ignored;
	cJSON_InitHooks(NULL);
}

/* How many pieces of JSON a batch of `count` reports, on these budgets in turn, has parsed. */
static size_t pieces_of(ff_test *t, ff_engine *e, const char *const *budgets, size_t budgets_count, size_t count)
{
	const ff_amount amount = { "a", 1 };
	ff_report *reports = ff_test_alloc(t, count * sizeof(*reports));
	ff_report_result *results = ff_test_alloc(t, count * sizeof(*results));
	for (size_t i = 0; i < count; i++)
		reports[i] =
		    (ff_report){ .budget_id = budgets[i % budgets_count], .amounts = &amount, .amounts_count = 1 };
	cJSON_Hooks hooks = { .malloc_fn = count_piece, .free_fn = free };
	cJSON_InitHooks(&hooks);
	parsed_pieces = 0;
	FF_REQUIRE_OK(t, ff_engine_report_usage_batch(e, reports, count, results, NULL, ff_test_error(t)));
	size_t pieces = parsed_pieces;
	cJSON_InitHooks(NULL);
	for (size_t i = 0; i < count; i++)
		FF_CHECK(t, results[i].code == FF_OK && results[i].outcome.applied);
	return pieces;
}

/* A policy that is too long to be kept is parsed once a batch. */
static void long_policies_are_parsed_once_a_batch(ff_test *t)
{
	ff_test_defer(t, stop_counting, NULL);
	ff_engine *e = ff_test_open(t, NULL);
	const char *limits = "a=1000000:1000";
	for (int i = 0; i < 63; i++)
		limits = ff_test_text(t, "%s %s%02d=9000000:9000000", limits, ffp_name_of_size(t, 'd', 60), i);
	FF_CHECK_STR(t, ffp_create(t, e, "long", limits), "created");
	static const char *const budgets[] = { "long" };
	size_t one = pieces_of(t, e, budgets, 1, 1);
	FF_CHECK(t, one > 100);
	FF_CHECK_EQ_INT(t, pieces_of(t, e, budgets, 1, 500), one);
}

static void note_problem(void *context, const char *problem)
{
	ff_test_note(context, "%s", problem);
}

/* How many pieces of JSON an export of the case's store has parsed, or a check, by an engine that has read nothing yet. */
static size_t pieces_of_reading(ff_test *t, bool checks)
{
	ff_engine *e = ff_test_open(t, NULL);
	cJSON_Hooks hooks = { .malloc_fn = count_piece, .free_fn = free };
	cJSON_InitHooks(&hooks);
	parsed_pieces = 0;
	FF_CHECK_CODE(t,
	              checks ? ff_engine_check(e, note_problem, t, ff_test_error(t))
	                     : ff_engine_export(e, 0, ffp_drop_line, NULL, ff_test_error(t)),
	              FF_OK);
	size_t pieces = parsed_pieces;
	cJSON_InitHooks(NULL);
	return pieces;
}

/* However many rows of usage and of the ledger a budget has. */
static void policies_are_parsed_once_an_export(ff_test *t)
{
	ff_test_defer(t, stop_counting, NULL);
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=1000000:1000 b=5"), "created");
	size_t one[] = { pieces_of_reading(t, false), pieces_of_reading(t, true) };
	FF_CHECK(t, one[false] > 1 && one[true] > 1);
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=1 b=1 c=1 d=1"), "ok");
	FF_CHECK_EQ_INT(t, pieces_of_reading(t, false), one[false]);
	FF_CHECK_EQ_INT(t, pieces_of_reading(t, true), one[true]);
}

/* The number of a limit whose policy has the place of that with `limit`, among those that are kept. */
static int twin_of(ff_test *t, int limit)
{
	ffp_policies policies = { .allocator = &ffp_memory_new(t)->allocator };
	uint32_t place = 0;
	bool found = false;
	int number = limit;
	for (; !found && number < limit + 100000; number++) {
		ffp_policy_limit of = { .dimension = BYTES("a"), .hard = number };
		const ffp_policy wanted = {
			.limits = &of, .limits_count = 1, .on_hard_limit = { "", 0 }, .on_soft_limit = { "", 0 }
		};
		ffp_policy policy;
		ffp_policy_mark mark;
		const char *fault = "";
		ff_text text = ffp_policy_write(&wanted, ffp_raw_arena(t));
		FF_REQUIRE(t, ffp_policies_get(&policies, text, ffp_raw_arena(t), &policy, &mark, &fault) == FF_OK);
		found = number > limit && mark.place == place;
		place = number == limit ? mark.place : place;
	}
	ffp_policies_free(&policies);
	FF_REQUIRE(t, found);
	return number - 1;
}

/* Two policies that drive each other out of one place are parsed once a batch each, too. */
static void policies_in_one_place_are_parsed_once_a_batch(ff_test *t)
{
	ff_test_defer(t, stop_counting, NULL);
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=1000000"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "c", ff_test_text(t, "a=%d", twin_of(t, 1000000))), "created");
	static const char *const budgets[] = { "b", "c" };
	pieces_of(t, e, budgets, 2, 2);
	size_t few = pieces_of(t, e, budgets, 2, 4);
	FF_CHECK_EQ_INT(t, pieces_of(t, e, budgets, 2, 500), few);
}

/* ---- leases ------------------------------------------------------------------------------------------------- */

static ffp_item *new_lease(ff_test *t, ffp_leases *leases, int64_t until_ms)
{
	static const ff_row there;
	ffp_item *slot = ff_test_alloc(t, sizeof(*slot));
	slot->after = &there;
	FF_REQUIRE(t, ffp_leases_give(leases, slot, until_ms));
	return slot;
}

static void leases_come_by_their_ends(ff_test *t)
{
	enum { COUNT = 500, END = 200 };
	ffp_leases leases = { .count = 0 };
	ffp_item *slots[COUNT];
	ffp_leases_clear(&leases, ffp_raw_arena(t));
	for (int i = 0; i < COUNT; i++) {
		slots[i] = new_lease(t, &leases, (int64_t)ff_test_random_below(t, END));
		if (i % 7 == 0) /* another, which counts in its place */
			FF_REQUIRE(t, ffp_leases_give(&leases, slots[i], (int64_t)ff_test_random_below(t, END)));
		if (i % 5 == 0) /* gone, or without one */
			slots[i]->after = NULL;
		else if (i % 11 == 0)
			slots[i]->lease = NULL;
	}
	const ffp_item *own = slots[1]; /* which had another that would end last */
	FF_REQUIRE(t, ffp_leases_give(&leases, slots[1], END) && ffp_leases_give(&leases, slots[1], 0));
	unsigned wrong = 0;
	for (int64_t time_ms = -1; time_ms <= END; time_ms += 10) {
		uint64_t over = 0;
		for (int i = 0; i < COUNT; i++)
			over += slots[i] != own && slots[i]->after && slots[i]->lease &&
			        slots[i]->lease->until_ms <= time_ms;
		wrong += ffp_leases_count_over(&leases, time_ms, own, leases.count) != over;
		wrong += ffp_leases_count_over(&leases, time_ms, own, 3) != (over < 3 ? over : 3);
		for (; over > 2; over--) { /* two are left for the next */
			ffp_item *slot = ffp_leases_take_over(&leases, time_ms, own);
			FF_REQUIRE(t, slot != NULL);
			wrong += slot == own || !slot->after || slot->lease->until_ms > time_ms;
			slot->after = NULL;
		}
	}
	FF_CHECK(t, ffp_leases_take_over(&leases, END, own) && ffp_leases_take_over(&leases, END, own));
	FF_CHECK(t, !ffp_leases_take_over(&leases, END, own));
	FF_CHECK(t, ffp_leases_take_over(&leases, END, NULL) == own);
	FF_CHECK_EQ_INT(t, wrong, 0);
}

/* Leases of slots that are gone, or have others, are looked at by one call and not by each, wherever they lie. */
static void leases_that_are_gone_are_looked_at_once(ff_test *t)
{
	ffp_leases leases = { .count = 0 };
	ffp_leases_clear(&leases, ffp_raw_arena(t));
	const ffp_item *own = new_lease(t, &leases, 0);
	new_lease(t, &leases, 1);
	for (int i = 0; i < 1000; i++)
		new_lease(t, &leases, i % 2 ? 2 : 200)->after = NULL;
	FF_CHECK_EQ_INT(t, ffp_leases_count_over(&leases, 100, own, 2), 1);
	FF_CHECK(t, leases.count <= 2 + 500 + 9);
	FF_CHECK_EQ_INT(t, ffp_leases_count_over(&leases, 100, own, 2), 1);
	FF_CHECK_EQ_INT(t, ffp_leases_count_over(&leases, 100, NULL, 2), 2);
	FF_CHECK_EQ_INT(t, ffp_leases_count_over(&leases, 200, own, 2), 1);
	FF_CHECK(t, leases.count <= 2 + 9);
	FF_CHECK(t, ffp_leases_take_over(&leases, 200, NULL) == own);
	ffp_leases_clear(&leases, leases.arena);
	FF_CHECK(t, !ffp_leases_take_over(&leases, 200, NULL)); /* another is over, but those are of another attempt */
}

/* Nor is more set aside for them than what lies before those that were seen. */
static void leases_are_set_aside_for_what_was_seen(ff_test *t)
{
	enum { LEASES = 1000 };
	ffp_leases leases = { .count = 0 };
	ffp_leases_clear(&leases, ffp_raw_arena(t));
	for (int i = 0; i < LEASES; i++)
		new_lease(t, &leases, i);
	uint64_t gone = 0;
	for (size_t place = 0; place < LEASES; place = 2 * place + 1, gone++)
		leases.heap[place]->slot->after = NULL;
	leases.heap[LEASES - 1]->slot->after = NULL; /* which is not looked at */
	FF_CHECK_EQ_INT(t, ffp_leases_count_over(&leases, LEASES, NULL, 1), 1);
	FF_CHECK_EQ_INT(t, leases.count, LEASES - gone);
	FF_CHECK_EQ_INT(t, ffp_leases_count_over(&leases, LEASES, NULL, LEASES - gone), LEASES - gone - 1);
}

/* However many there are. Who looked at a slot whose lease is not over would find none here. */
static void leases_that_are_not_over_are_not_looked_at(ff_test *t)
{
	ffp_leases leases = { .count = 0 };
	ffp_leases_clear(&leases, ffp_raw_arena(t));
	for (int i = 0; i < 1000; i++)
		new_lease(t, &leases, i * 7919 % 1000);
	for (size_t i = 0; i < leases.count; i++)
		if (leases.heap[i]->until_ms > 500)
			leases.heap[i]->slot = NULL;
	FF_CHECK_EQ_INT(t, ffp_leases_count_over(&leases, 500, NULL, leases.count), 501);
	for (int64_t i = 0; i <= 500; i++) {
		ffp_item *slot = ffp_leases_take_over(&leases, 500, NULL);
		FF_REQUIRE(t, slot && slot->lease->until_ms == i);
		slot->after = NULL;
		FF_CHECK_EQ_INT(t, ffp_leases_count_over(&leases, 500, NULL, 1), i < 500);
	}
	FF_CHECK(t, !ffp_leases_take_over(&leases, 500, NULL));
}

/* Where all of them would be too few for a call, as where its own cap is far below what others hold, none is looked at. */
static void leases_that_are_too_few_are_not_looked_at(ff_test *t)
{
	ffp_leases leases = { .count = 0 };
	ffp_leases_clear(&leases, ffp_raw_arena(t));
	for (int i = 0; i < 1000; i++)
		new_lease(t, &leases, i);
	for (size_t i = 0; i < leases.count; i++)
		leases.heap[i]->slot = NULL;
	FF_CHECK_EQ_INT(t, ffp_leases_count_over(&leases, 5000, NULL, 1001), 0);
	FF_CHECK_EQ_INT(t, leases.count, 1000);
}

enum { SLOT_CALLS = 200 };

typedef struct slot_calls {
	ff_admission admissions[SLOT_CALLS];
	ff_quota_limits limits[SLOT_CALLS];
	ff_admission_outcome outcomes[SLOT_CALLS];
	bool held[SLOT_CALLS];
	ff_call calls[SLOT_CALLS];
} slot_calls;

static void make_slot_calls(ff_test *t, slot_calls *of)
{
	int64_t now_ms = T0;
	for (unsigned i = 0; i < SLOT_CALLS; i++) {
		const char *execution = ff_test_text(t, "x%u", (unsigned)ff_test_random_below(t, 40));
		now_ms += (int64_t)ff_test_random_below(t, 9) - 2;
		of->limits[i] = (ff_quota_limits){ .max_concurrent = 1 + ff_test_random_below(t, 12) };
		of->admissions[i] = (ff_admission)FF_ADMISSION_INIT;
		of->admissions[i].quota_policy_id = "q";
		of->admissions[i].execution_id = execution;
		of->admissions[i].now_ms = now_ms;
		of->admissions[i].lease_ms = (int64_t)ff_test_random_below(t, 60);
		of->admissions[i].limits = ff_test_random_below(t, 4) ? NULL : &of->limits[i];
		of->calls[i] = (ff_call){ .op = FF_OP_ADMIT,
			                  .in.admission = &of->admissions[i],
			                  .out.admission = &of->outcomes[i] };
		if (ff_test_random_below(t, 8) == 0)
			of->calls[i] = (ff_call){ .op = FF_OP_RELEASE_ADMISSION,
				                  .in.target = { "q", execution, now_ms },
				                  .out.held = &of->held[i] };
	}
}

/* Each at a time of its own, with leases that end in the midst of the batch. */
static void slots_in_a_batch_are_as_if_sent_alone(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	slot_calls *of = ff_test_alloc(t, sizeof(*of));
	for (int round = 0; round < 20; round++) {
		const char *answers[2] = { "", "" };
		make_slot_calls(t, of);
		for (int way = 0; way < 2; way++) {
			ffp_fake_wipe(ffp_fake_of(t));
			FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "slots=6"), "created");
			/* alone; or twenty, and the rest in a second batch */
			for (size_t i = 0, count; i < SLOT_CALLS; i += count) {
				count = way == 0 ? 1 : i == 0 ? 20 : SLOT_CALLS - i;
				FF_REQUIRE_OK(t, ff_engine_submit(e, &of->calls[i], count, ff_test_error(t)));
			}
			for (size_t i = 0; i < SLOT_CALLS; i++)
				answers[way] = ff_test_text(t, "%s%d %d %d\n", answers[way], of->calls[i].code,
				                            of->outcomes[i].kind, of->held[i]);
			answers[way] = ff_test_text(t, "%s%s", answers[way], ffp_quota(t, e, "q"));
		}
		FF_CHECK_STR(t, answers[1], answers[0]);
	}
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* ---- lists -------------------------------------------------------------------------------------------------- */

static uint64_t loads_of(ff_test *t, ff_engine *e)
{
	ff_engine_info info;
	FF_REQUIRE_OK(t, ff_engine_get_info(e, &info, ff_test_error(t)));
	return info.loads;
}

/* Any number of ids without a policy in front of one cost neither a round trip for two of them nor memory for all. */
static void ids_without_a_policy_are_passed_over(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.allocator = &memory->allocator;
	ff_engine *e = ff_test_open(t, &options);
	uint64_t taken[2];
	FF_CHECK_STR(t, ffp_create_quota(t, e, "r", "slots=1"), "created");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "s", "slots=1"), "created");
	const ff_quota_page *page;
	FF_REQUIRE_OK(t,
	              ff_engine_list_quotas(e, NULL, 1, &page, ff_test_error(t))); /* what reads keep is there then */
	ff_free(page);
	for (int round = 0, made = 0; round < 2; round++) {
		for (; made < 1500 + round * 4000; made++)
			FF_CHECK_STR(t, ffp_admit(t, e, ff_test_text(t, "q%d", made), "x", "slots=1"), "admitted");
		uint64_t loads = loads_of(t, e);
		taken[round] = memory->taken;
		FF_REQUIRE_OK(t, ff_engine_list_quotas(e, NULL, 1, &page, ff_test_error(t)));
		taken[round] = memory->taken - taken[round];
		FF_CHECK(t, page->quotas_count == 1 && page->more && !strcmp(page->quotas[0].quota_policy_id, "r"));
		FF_CHECK(t, loads_of(t, e) - loads <= 5 + (unsigned)made / 500);
		ff_free(page);
	}
	FF_CHECK(t, taken[0] <= 2 && taken[1] <= 2); /* the page, and a piece of the arena */
	uint64_t loads = loads_of(t, e);
	FF_REQUIRE_OK(t, ff_engine_list_quotas(e, "q~", 1, &page, ff_test_error(t)));
	ff_free(page);
	FF_CHECK_EQ_INT(t, loads_of(t, e) - loads, 3); /* nothing behind the page, and what it tells of its one */
}

/* What a read has taken is there for the next, of which there may be any number: nothing but the answer is new. */
static void reads_take_no_memory_but_their_answers(ff_test *t)
{
	enum { READS = 200 };
	ffp_memory *memory = ffp_memory_new(t);
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.allocator = &memory->allocator;
	ff_engine *e = ff_test_open(t, &options);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=5"), "created");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "");
	uint64_t taken = memory->taken;
	for (unsigned i = 0; i < READS; i++)
		FF_CHECK_STR(t, ffp_usage(t, e, "b"), "");
	FF_CHECK_EQ_INT(t, memory->taken - taken, READS);
}

/* A walk over rows takes the memory of a page, however many they are. */
static void walks_take_memory_of_a_page(ff_test *t)
{
	enum { ENTRIES = 4000 };
	ffp_memory *memory = ffp_memory_new(t);
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.allocator = &memory->allocator;
	ff_engine *e = ff_test_open(t, &options);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=1"), "created");
	for (int i = 0; i < ENTRIES; i++) {
		const ffp_entry_row entry = { .quota_policy_id = BYTES("q"), .entry = i, .expires_at_ms = INT64_MAX };
		ffp_fake_put(ffp_fake_of(t), FFP_QUOTA_WINDOW, &entry.row);
	}
	int64_t live = memory->live;
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), ff_test_text(t, "in_window=%d active=0 next=now", ENTRIES));
	FF_CHECK(t, memory->live - live < 512 << 10);
}

/* ---- hashes ------------------------------------------------------------------------------------------------- */

enum { NAMES = 64 };

/* The item of a budget's name among rows with this seed, and how many others share its bucket. */
static ffp_item *put_name(ffp_rows *rows, const char *name, size_t *shared)
{
	const ffp_budget_row key = { .budget_id = ffp_text(name) };
	ffp_item *item = ffp_rows_get(rows, FFP_BUDGET_POLICY, &key.row);
	*shared = 0;
	for (const ffp_item *other = item ? item->next_in_bucket : NULL; other; other = other->next_in_bucket)
		++*shared;
	return item;
}

/* Names that share a bucket under one seed are scattered under another, and each engine has its own. */
static void names_that_collide_under_one_seed(ff_test *t)
{
	ffp_rows rows;
	const char *names[NAMES];
	size_t found = 0, shared = 0, worst = 0;
	FF_REQUIRE(t, ffp_rows_init(&rows, ffp_raw_arena(t), 1, 65536));
	for (unsigned i = 0; found < NAMES && i < 60000; i++) {
		const char *name = ff_test_text(t, "%u", i);
		const ffp_item *item = put_name(&rows, name, &shared);
		FF_REQUIRE(t, item != NULL);
		if (item->hash % 256 == 0)
			names[found++] = name;
	}
	FF_REQUIRE(t, found == NAMES);
	for (uint64_t seed = 1; seed <= 2; seed++) {
		FF_REQUIRE(t, ffp_rows_init(&rows, ffp_raw_arena(t), seed, 256));
		worst = 0;
		for (size_t i = 0; i < NAMES; i++) {
			FF_REQUIRE(t, put_name(&rows, names[i], &shared) != NULL);
			worst = shared > worst ? shared : worst;
		}
		FF_CHECK(t, seed == 1 ? worst == NAMES - 1 : worst < 8);
	}
	const ff_engine *e = ff_test_open(t, NULL);
	const ff_engine *other = ff_test_open(t, NULL);
	FF_CHECK(t, e->seed != other->seed);
}

static const ff_case cases[] = {
	CASE(spend_reads_its_own_rows, "FF-SP-1", 0),
	CASE(release_takes_what_is_there, "FF-SP-2 FF-RU-14", 0),
	CASE(long_policies_are_parsed_once_a_batch, "", 0),
	CASE(policies_are_parsed_once_an_export, "", 0),
	CASE(policies_in_one_place_are_parsed_once_a_batch, "", 0),
	CASE(leases_come_by_their_ends, "", 0),
	CASE(leases_that_are_gone_are_looked_at_once, "", 0),
	CASE(leases_are_set_aside_for_what_was_seen, "", 0),
	CASE(leases_that_are_not_over_are_not_looked_at, "", 0),
	CASE(leases_that_are_too_few_are_not_looked_at, "", 0),
	CASE(slots_in_a_batch_are_as_if_sent_alone, "FF-QA-5 FF-QA-6 FF-RU-14", 0),
	CASE(reads_take_no_memory_but_their_answers, "", 0),
	CASE(walks_take_memory_of_a_page, "", 0),
	CASE(ids_without_a_policy_are_passed_over, "FF-GS-2 FF-QA-9", 0),
	CASE(names_that_collide_under_one_seed, "", 0),
};

FAMILY(ffp_tests_cost, cases);
