/* What calls cost: rows that are read, texts that are parsed, members that are walked over. Counted, never timed. */
#include "budget.h"
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

static const ff_case cases[] = {
	CASE(spend_reads_its_own_rows, "FF-SP-1", 0),
	CASE(release_takes_what_is_there, "FF-SP-2 FF-RU-14", 0),
};

FAMILY(ffp_tests_cost, cases);
