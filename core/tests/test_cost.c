/* What calls cost: rows that are read, texts that are parsed, members that are walked over. Counted, never timed. */
#include <stdlib.h>

#include "budget.h"
#include "json.h"
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

/* A spend reads a row a dimension, as a report does, however many others its execution has spent. */
static void spend_reads_its_own_rows(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	size_t read[2] = { 0 };
	for (int round = 0, spent = 0; round < 2; round++) {
		for (; spent < 10 + 190 * round; spent++)
			FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", ff_test_text(t, "d%d=1", spent)), "ok");
		ffp_fault.mangle = count_rows;
		rows_read = 0;
		FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "d0=1 d1=1"), "ok");
		ffp_fault.mangle = NULL;
		read[round] = rows_read;
	}
	FF_CHECK_EQ_INT(t, read[1], read[0]);
	FF_CHECK(t, read[1] <= 4);
	FF_CHECK(t, strlen(ffp_release(t, e, "b", "x")) > 200);
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

static const ff_case cases[] = {
	CASE(spend_reads_its_own_rows, "FF-SP-1", 0),
	CASE(release_takes_what_is_there, "FF-SP-2 FF-RU-14", 0),
	CASE(long_policies_are_parsed_once_a_batch, "", 0),
	CASE(policies_in_one_place_are_parsed_once_a_batch, "", 0),
};

FAMILY(ffp_tests_cost, cases);
