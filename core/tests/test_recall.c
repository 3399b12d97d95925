/* Rows that are remembered from one batch to the next. */
#include <inttypes.h>
#include <stdlib.h>

#include "recall.h"
#include "tests.h"

static ffp_recall *new_recall(ff_test *t, ffp_memory *memory)
{
	ffp_recall *recall = ff_test_alloc(t, sizeof(*recall));
	*recall = (ffp_recall){ .allocator = &memory->allocator, .places_count = FFP_RECALL_PLACES };
	return recall;
}

static const ff_table *usage_table(void)
{
	return ffp_table(FFP_BUDGET_USAGE);
}

static void keep(ffp_recall *recall, const char *budget, const char *dimension, int64_t value, uint64_t hash)
{
	const ffp_usage_row row = { .budget_id = { budget, strlen(budget) },
		                    .dimensions_key = { dimension, strlen(dimension) },
		                    .current_value = value };
	ffp_recall_keep(recall, usage_table(), &row.row, hash);
}

static const ffp_usage_row *found(const ffp_recall *recall, const char *budget, const char *dimension, uint64_t hash,
                                  char **memo)
{
	const ffp_usage_row key = { .budget_id = { budget, strlen(budget) },
		                    .dimensions_key = { dimension, strlen(dimension) } };
	void *room;
	const ff_row *row = ffp_recall_find(recall, usage_table(), &key.row, hash, &room);
	*memo = room;
	return (const ffp_usage_row *)row;
}

/* The value that is remembered, or -1. */
static int64_t find(const ffp_recall *recall, const char *budget, const char *dimension, uint64_t hash)
{
	char *memo;
	const ffp_usage_row *row = found(recall, budget, dimension, hash, &memo);
	return row ? row->current_value : -1;
}

/* Hashes that share their places. */
static uint64_t crowd(unsigned of)
{
	return 7 + of * (uint64_t)FFP_RECALL_PLACES;
}

static void places_are_shared(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ffp_recall *recall = new_recall(t, memory);
	for (unsigned i = 0; i < 8; i++)
		keep(recall, "b", "d", i, crowd(i));
	keep(recall, "c", "d", 3, crowd(8)); /* once is no reason to make room for it */
	FF_CHECK_EQ_INT(t, find(recall, "c", "d", crowd(8)), -1);
	keep(recall, "e", "d", 9, crowd(9));
	keep(recall, "c", "d", 3, crowd(8)); /* nor where another came between */
	FF_CHECK_EQ_INT(t, find(recall, "c", "d", crowd(8)), -1);
	for (unsigned i = 0; i < 8; i++)
		FF_CHECK_EQ_INT(t, find(recall, "b", "d", crowd(i)), i);
	char *memo;
	const ffp_usage_row again = *found(recall, "b", "d", crowd(0), &memo);
	ffp_recall_keep(recall, usage_table(), &again.row, crowd(0));
	keep(recall, "c", "d", 3, crowd(8)); /* nor the one that is there */
	FF_CHECK_EQ_INT(t, find(recall, "c", "d", crowd(8)), -1);
	FF_CHECK_EQ_INT(t, find(recall, "b", "d", crowd(0)), 0);
	uint64_t taken = memory->taken;
	keep(recall, "c", "d", 3, crowd(8));
	FF_CHECK_EQ_INT(t, memory->taken, taken); /* in the memory of the one that it drives out */
	FF_CHECK_EQ_INT(t, find(recall, "b", "d", crowd(0)), -1);
	FF_CHECK_EQ_INT(t, find(recall, "c", "d", crowd(8)), 3);
	for (unsigned i = 1; i < 8; i++)
		FF_CHECK_EQ_INT(t, find(recall, "b", "d", crowd(i)), i);
	ffp_recall_forget(recall, crowd(5));
	FF_CHECK_EQ_INT(t, find(recall, "b", "d", crowd(5)), -1);
	keep(recall, "e", "d", 9, crowd(9)); /* the one that is free */
	FF_CHECK_EQ_INT(t, find(recall, "e", "d", crowd(9)), 9);
	FF_CHECK_EQ_INT(t, find(recall, "c", "d", crowd(8)), 3);
	ffp_recall_free(recall);
	FF_CHECK_EQ_INT(t, memory->live, 0);
	FF_CHECK_EQ_INT(t, memory->wrong, 0);
}

/* Rows that are scattered find a place each, and take what memory they need. */
static void places_are_used_up(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ffp_recall *recall = new_recall(t, memory);
	unsigned wrong = 0;
	for (unsigned i = 0; i < FFP_RECALL_PLACES; i++)
		keep(recall, "b", "d", i, i);
	for (unsigned i = 0; i < FFP_RECALL_PLACES; i++)
		wrong += find(recall, "b", "d", i) != i;
	FF_CHECK_EQ_INT(t, wrong, 0);
	FF_CHECK(t, memory->live < (int64_t)FFP_RECALL_PLACES * 512);
	ffp_recall_free(recall);
}

static void rows_are_remembered(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ffp_recall *recall = new_recall(t, memory);
	char name[] = "b";
	FF_CHECK_EQ_INT(t, find(recall, "b", "d", 7), -1);
	ffp_recall_forget(recall, 7);
	keep(recall, name, "d", 1, 7);
	name[0] = 'x'; /* it has a copy */
	FF_CHECK_EQ_INT(t, find(recall, "b", "d", 7), 1);
	FF_CHECK_EQ_INT(t, find(recall, "b", "e", 7), -1);
	FF_CHECK_EQ_INT(t, find(recall, "b", "d", 8), -1);
	uint64_t taken = memory->taken;
	char *memo;
	ffp_usage_row changed = *found(recall, "b", "d", 7, &memo);
	memo[0] = 'm';
	changed.current_value = 2;
	ffp_recall_keep(recall, usage_table(), &changed.row, 7);
	FF_CHECK_EQ_INT(t, find(recall, "b", "d", 7), 2);
	FF_CHECK_EQ_INT(t, memory->taken, taken); /* in the same place */
	changed.budget_id = (ff_text)BYTES("bb"); /* before a text of the one that was found */
	ffp_recall_keep(recall, usage_table(), &changed.row, 7);
	FF_CHECK_EQ_INT(t, find(recall, "b", "d", 7), -1);
	FF_CHECK_EQ_INT(t, find(recall, "bb", "d", 7), 2);
	found(recall, "bb", "d", 7, &memo);
	FF_CHECK_EQ_INT(t, memo[0], 0);
	ffp_recall_forget(recall, 7);
	FF_CHECK_EQ_INT(t, find(recall, "b", "d", 7), -1);
	keep(recall, "b", "d", 4, 7);
	keep(recall, "b", "e", 5, 9);
	ffp_recall_clear(recall);
	FF_CHECK_EQ_INT(t, find(recall, "b", "d", 7), -1);
	FF_CHECK_EQ_INT(t, find(recall, "b", "e", 9), -1);
	keep(recall, "b", "e", 6, 9);
	FF_CHECK_EQ_INT(t, find(recall, "b", "e", 9), 6);
	found(recall, "b", "e", 9, &memo);
	memo[0] = 'm';
	ffp_recall_clear(recall);
	keep(recall, "b", "e", 7, 9); /* which was loaded again, and may be another */
	found(recall, "b", "e", 9, &memo);
	FF_CHECK_EQ_INT(t, memo[0], 0);
	ffp_recall_free(recall);
	FF_CHECK_EQ_INT(t, memory->live, 0);
	FF_CHECK_EQ_INT(t, memory->wrong, 0);
	FF_CHECK_EQ_INT(t, find(recall, "b", "e", 9), -1);
}

/* Even where their keys have one hash. */
static void tables_are_told_apart(ff_test *t)
{
	ffp_recall *recall = new_recall(t, ffp_memory_new(t));
	const ffp_budget_row budget = { .budget_id = BYTES("b") };
	void *memo;
	keep(recall, "b", "d", 1, 7);
	FF_CHECK(t, !ffp_recall_find(recall, ffp_table(FFP_BUDGET_POLICY), &budget.row, 7, &memo) && !memo);
	FF_CHECK_EQ_INT(t, find(recall, "b", "d", 7), 1);
	ffp_recall_free(recall);
}

/* What nearly every call needs, and no more. */
static void tables_that_are_remembered(ff_test *t)
{
	for (unsigned id = 0; id < FFP_TABLES_COUNT; id++)
		FF_CHECK_EQ_INT(t, ffp_recall_keeps(ffp_table((ffp_table_id)id)),
		                id == FFP_BUDGET_POLICY || id == FFP_BUDGET_USAGE || id == FFP_QUOTA_POLICY);
}

/* What is too large, corrupt, or has no memory is forgotten, not remembered as it was. */
static void rows_that_are_not_remembered(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ffp_recall *recall = new_recall(t, memory);
	const char *largest = ffp_name_of_size(t, 'x', FFP_RECALL_SIZE_MAX - sizeof(ffp_usage_row) - strlen("d"));
	const char *large = ff_test_text(t, "%sx", largest);
	const ffp_usage_row corrupt = { .row.state = FF_ROW_CORRUPT,
		                        .budget_id = BYTES("b"),
		                        .dimensions_key = BYTES("d") };
	memory->at = memory->taken + 1;
	keep(recall, "b", "d", 1, 7); /* no memory for the places */
	FF_CHECK_EQ_INT(t, find(recall, "b", "d", 7), -1);
	keep(recall, "b", "d", 1, 7);
	FF_CHECK_EQ_INT(t, find(recall, "b", "d", 7), 1);
	ffp_recall_keep(recall, usage_table(), &corrupt.row, 7);
	FF_CHECK_EQ_INT(t, find(recall, "b", "d", 7), -1);
	keep(recall, "b", "d", 1, 7);
	keep(recall, largest, "d", 1, 7);
	FF_CHECK_EQ_INT(t, find(recall, largest, "d", 7), 1);
	keep(recall, "b", "d", 1, 7);
	keep(recall, large, "d", 1, 7);
	FF_CHECK_EQ_INT(t, find(recall, "b", "d", 7), -1);
	FF_CHECK_EQ_INT(t, find(recall, large, "d", 7), -1);
	keep(recall, "b", "d", 1, 7);
	memory->at = memory->taken + 1;
	keep(recall, ffp_name_of_size(t, 'y', 500), "d", 1, 7); /* nor for more of it */
	FF_CHECK_EQ_INT(t, find(recall, "b", "d", 7), -1);
	ffp_recall_free(recall);
	FF_CHECK_EQ_INT(t, memory->live, 0);
}

static uint64_t loads_of(ff_test *t, ff_engine *e)
{
	ff_engine_info info;
	FF_REQUIRE_OK(t, ff_engine_get_info(e, &info, ff_test_error(t)));
	return info.loads;
}

static int64_t usage_of(ff_test *t, ff_engine *e, const char *budget)
{
	return strtoll(ffp_usage(t, e, budget) + 2, NULL, 10);
}

/* While nobody else writes, a warm report loads nothing; what another handle, or a hand, has written is seen. */
static void what_others_wrote_is_seen(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	ff_engine *other = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	uint64_t loads = loads_of(t, e);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	FF_CHECK_EQ_INT(t, loads_of(t, e), loads);
	FF_CHECK_STR(t, ffp_report(t, other, "b", "", "a=7"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=2"), "hard a 9/10");
	FF_CHECK(t, loads_of(t, e) > loads);
	const ffp_usage_row by_hand = { .budget_id = BYTES("b"), .dimensions_key = BYTES("a"), .current_value = 3 };
	ffp_fake_put(ffp_fake_of(t), FFP_BUDGET_USAGE, &by_hand.row);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=7"), "ok");
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* A purge of slots whose policies are in part remembered, and in part not, leaves none. */
static void purge_waits_for_what_is_not_remembered(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	for (unsigned i = 0; i < 2; i++) {
		FF_CHECK_STR(t, ffp_create_quota(t, e, ff_test_text(t, "%u", i), "slots=1"), "created");
		FF_CHECK_STR(t, ffp_admit(t, e, ff_test_text(t, "%u", i), "x", "lease=1"), "admitted");
	}
	ff_engine *other = ff_test_open(t, NULL);
	ff_test_set_time(t, ff_test_time(t) + 1);
	FF_CHECK_STR(t, ffp_release_slot(t, other, "1", "y", 0), "not held"); /* which remembers the second */
	FF_CHECK_STR(t, ffp_tick(t, other, 0, 0), "resets=0 failed=0 keys=0 admissions=2");
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_QUOTA_ADMITTED), 0);
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* An engine on the case's store, which cannot tell whether others have written. */
static ff_engine *open_far(ff_test *t)
{
	return ff_test_open_uri(t, ff_test_text(t, "far%s", strchr(ff_test_uri(t), ':')), NULL);
}

/* What is remembered is expected, and not loaded. */
static void what_is_remembered_is_expected(ff_test *t)
{
	ff_engine *e = open_far(t);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	ffp_fake *fake = ffp_fake_of(t);
	uint64_t loads = loads_of(t, e), expects = ffp_fake_calls(fake, FFP_SLOT_EXPECT);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "i", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "l", "a=99"), "hard a 3/10");
	FF_CHECK_EQ_INT(t, loads_of(t, e), loads);
	FF_CHECK_EQ_INT(t, ffp_fake_calls(fake, FFP_SLOT_EXPECT), expects + 3);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok replayed"); /* with a look at the key */
	FF_CHECK(t, loads_of(t, e) > loads);
	FF_CHECK_EQ_INT(t, ffp_fake_calls(fake, FFP_SLOT_EXPECT), expects + 4); /* storing it failed first */
	FF_CHECK_STR(t, ffp_fake_broken(fake), "");
}

/* A batch call on budgets of several lanes, whichever it names first, finds what the one before it left. */
static void what_lanes_share_is_remembered_in_one(ff_test *t)
{
	enum { BUDGETS = 8 };
	ff_engine *e = ff_test_open_uri(t, ff_test_text(t, "far%s?lanes=4", strchr(ff_test_uri(t), ':')), NULL);
	const ff_amount amount = { .dimension = "a", .amount = 1 };
	ff_report reports[BUDGETS];
	ff_call calls[BUDGETS];
	for (unsigned i = 0; i < BUDGETS; i++)
		FF_CHECK_STR(t, ffp_create(t, e, ff_test_text(t, "b%u", i), "a=100"), "created");
	uint64_t loads = 0;
	for (unsigned first = 0; first < BUDGETS; first++) {
		for (unsigned i = 0; i < BUDGETS; i++) {
			reports[i] = (ff_report){ .budget_id = ff_test_text(t, "b%u", (first + i) % BUDGETS),
				                  .amounts = &amount,
				                  .amounts_count = 1,
				                  .idempotency_key = ff_test_text(t, "k%u", first) };
			calls[i] = (ff_call){ .op = FF_OP_REPORT_USAGE, .in.report = &reports[i] };
		}
		FF_REQUIRE_OK(t, ff_engine_submit(e, calls, BUDGETS, ff_test_error(t)));
		loads = first ? loads : loads_of(t, e);
	}
	FF_CHECK_EQ_INT(t, loads_of(t, e), loads);
	for (unsigned i = 0; i < BUDGETS; i++)
		FF_CHECK_EQ_INT(t, usage_of(t, e, ff_test_text(t, "b%u", i)), BUDGETS);
	/* One that names a budget twice finds what a call on that budget alone has left. */
	for (unsigned i = 0; i < BUDGETS; i++) {
		const char *budget = ff_test_text(t, "b%u", i);
		FF_CHECK_STR(t, ffp_report(t, e, budget, "alone", "a=1"), "ok");
		loads = loads_of(t, e);
		for (unsigned twice = 0; twice < 2; twice++) {
			reports[twice].budget_id = budget;
			reports[twice].idempotency_key = ff_test_text(t, "twice %u", twice);
		}
		FF_REQUIRE_OK(t, ff_engine_submit(e, calls, 2, ff_test_error(t)));
		FF_CHECK_EQ_INT(t, loads_of(t, e), loads);
	}
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* A store that can tell whether others have written tells nothing of its own lanes, each of which writes what another may
 * remember. */
static void what_another_lane_wrote_is_seen(ff_test *t)
{
	enum { BUDGETS = 8, ROUNDS = 3 };
	ff_engine *e = ff_test_open_uri(t, ff_test_text(t, "%s?lanes=4", ff_test_uri(t)), NULL);
	const ff_amount amount = { .dimension = "a", .amount = 1 };
	ff_report reports[BUDGETS];
	ff_call calls[BUDGETS];
	for (unsigned i = 0; i < BUDGETS; i++) {
		const char *budget = ff_test_text(t, "b%u", i);
		FF_CHECK_STR(t, ffp_create(t, e, budget, "a=100"), "created");
		reports[i] = (ff_report){ .budget_id = budget, .amounts = &amount, .amounts_count = 1 };
		calls[i] = (ff_call){ .op = FF_OP_REPORT_USAGE, .in.report = &reports[i] };
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		FF_REQUIRE_OK(t, ff_engine_submit(e, calls, BUDGETS, ff_test_error(t))); /* in the first lane */
		for (unsigned i = 0; i < BUDGETS; i++)
			FF_CHECK_STR(t, ffp_report(t, e, reports[i].budget_id, "", "a=1"), "ok");
	}
	for (unsigned i = 0; i < BUDGETS; i++)
		FF_CHECK_EQ_INT(t, usage_of(t, e, reports[i].budget_id), 2 * ROUNDS);
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* So they remember nothing, rather than in vain. */
static void lanes_that_cannot_tell_take_no_memory(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.allocator = &memory->allocator;
	ff_engine *e = ff_test_open_uri(t, ff_test_text(t, "%s?lanes=4", ff_test_uri(t)), &options);
	for (unsigned i = 0; i < 32; i++) /* in all lanes */
		FF_CHECK_STR(t, ffp_report(t, e, ff_test_text(t, "b%u", i), "", "a=1"), "ok");
	FF_CHECK(t, memory->live <
	                2 * FFP_RECALL_PLACES * (int64_t)(2 * sizeof(void *))); /* the places are half of that */
}

/* A call without a key loads: nobody could find out what its commit did. */
static void what_has_no_key_is_loaded(ff_test *t)
{
	ff_engine *e = open_far(t);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	uint64_t loads = loads_of(t, e);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	FF_CHECK_EQ_INT(t, loads_of(t, e), loads + 1);
	FF_CHECK_EQ_INT(t, ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_EXPECT), 0);
}

/* Where such a call reads what another has written meanwhile, at once or as it learns what it needs, that is what it goes
 * by, and what is remembered from then on. */
static void what_is_loaded_replaces_what_was_remembered(ff_test *t)
{
	ff_engine *e = open_far(t), *other = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=3"), "ok");
	FF_CHECK_STR(t, ffp_report(t, other, "b", "", "a=4"), "ok");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "a=3");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=4");
	FF_CHECK_STR(t, ffp_report(t, other, "b", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=6"), "hard a 5/10");
	uint64_t loads = loads_of(t, e);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=5"), "ok");
	FF_CHECK_EQ_INT(t, loads_of(t, e), loads);
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* A store that was emptied and filled anew meanwhile: neither what was read out of a row nor that it was there is kept, once
 * it is loaded. */
static void what_is_gone_is_forgotten(ff_test *t)
{
	ff_engine *e = open_far(t), *other = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "l", "a=1"), "ok");
	ffp_fake_wipe(ffp_fake_of(t));
	FF_CHECK_STR(t, ffp_create(t, other, "b", "a=5"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=6"), "hard a 0/5");
	ffp_fake_wipe(ffp_fake_of(t));
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=6"), "ok");
	uint64_t expects = ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_EXPECT);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "m", "a=6"), "ok");
	FF_CHECK_EQ_INT(t, ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_EXPECT), expects);
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* A key that a call of the batch itself has used is not asked for, whatever fails by it. */
static void keys_of_the_batch_are_in_no_doubt(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
	const ff_amount amounts[] = { { "a", 1 }, { "a", 2 } };
	ff_report reports[2];
	ff_report_result results[2];
	for (size_t i = 0; i < 2; i++)
		reports[i] =
		    (ff_report){ .budget_id = "b", .amounts = &amounts[i], .amounts_count = 1, .idempotency_key = "l" };
	uint64_t loads = loads_of(t, e);
	FF_REQUIRE_OK(t, ff_engine_report_usage_batch(e, reports, 2, results, NULL, ff_test_error(t)));
	FF_CHECK_CODE(t, results[0].code, FF_OK);
	FF_CHECK_CODE(t, results[1].code, FF_E_KEY_CONFLICT);
	FF_CHECK_EQ_INT(t, loads_of(t, e), loads);
}

/* A call with a deadline loads: the wait for a load can be given up. */
static void what_has_a_deadline_is_loaded(ff_test *t)
{
	ff_engine *e = open_far(t);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	const ff_amount amount = { .dimension = "a", .amount = 2 };
	const ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1, .idempotency_key = "k" };
	ff_call call = { .op = FF_OP_REPORT_USAGE, .deadline_ms = INT64_MAX, .in.report = &report };
	uint64_t loads = loads_of(t, e), expects = ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_EXPECT);
	FF_REQUIRE_OK(t, ff_engine_submit(e, &call, 1, ff_test_error(t)));
	FF_CHECK_CODE(t, call.code, FF_OK);
	FF_CHECK(t, loads_of(t, e) > loads);
	FF_CHECK_EQ_INT(t, ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_EXPECT), expects);
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=3");
}

/* So many batches until the next one that expects anything, while another writes before each of them, or nobody does. */
static int64_t batches_until_expected(ff_test *t, ff_engine *e, ff_engine *other)
{
	uint64_t expects = ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_EXPECT);
	int64_t batches = 0;
	for (; ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_EXPECT) == expects && batches < 1000; batches++) {
		if (other)
			FF_CHECK_STR(t, ffp_report(t, other, "b", "", "a=1"), "ok");
		FF_CHECK_STR(t, ffp_report(t, e, "b", ff_test_text(t, "%" PRIu64 "-%" PRId64, expects, batches), "a=1"),
		             "ok");
	}
	return batches;
}

/*
 * What was sent in one go and whose answer was lost may come to the store long after: before it is asked for, before the
 * batch runs again, or after. Each call of it is charged once.
 */
static void what_comes_late_is_charged_once(ff_test *t)
{
	ff_engine *e = open_far(t);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=100000"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "c", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "c", "", "a=1"), "ok");
	for (unsigned begins = 1; begins <= 4; begins++) {
		const ff_amount amount = { .dimension = "a", .amount = 1 };
		const ff_report reports[] = {
			{ .budget_id = "b", .amounts = &amount, .amounts_count = 1 },
			{ .budget_id = "c",
			  .amounts = &amount,
			  .amounts_count = 1,
			  .idempotency_key = ff_test_text(t, "k%u", begins) },
		};
		ff_call calls[] = { { .op = FF_OP_REPORT_USAGE, .in.report = &reports[0] },
			            { .op = FF_OP_REPORT_USAGE, .in.report = &reports[1] } };
		batches_until_expected(t, e, NULL);
		int64_t usage = usage_of(t, e, "b");
		ffp_fake_delay(ffp_fake_of(t), begins);
		FF_CHECK_CODE(t, ff_engine_submit(e, calls, 2, ff_test_error(t)), FF_OK);
		FF_CHECK(t, calls[0].code == FF_OK && calls[1].code == FF_OK);
		FF_CHECK_EQ_INT(t, usage_of(t, e, "b"), usage + 1);
		FF_CHECK_EQ_INT(t, usage_of(t, e, "c"), 1 + begins);
		FF_CHECK_STR(t, ffp_report(t, e, "c", reports[1].idempotency_key, "a=1"), "ok replayed");
	}
	FF_CHECK_EQ_INT(t, usage_of(t, e, "c"), 5);
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* Nor does it happen behind a tick, where its caller was told that nothing was changed: also where its key was used before,
 * and is over. What keeps it away goes when keys of its time do. */
static void what_comes_late_comes_behind_a_tick(ff_test *t)
{
	enum { BEGINS = 60 };
	ff_engine_options options = ffp_options_with(1);
	ff_engine *e = ff_test_open_uri(t, ff_test_text(t, "far%s", strchr(ff_test_uri(t), ':')), &options);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=100000"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "c", "a=100000"), "created");
	for (unsigned was_used = 0; was_used < 2; was_used++) {
		if (was_used)
			FF_CHECK_STR(t, ffp_report(t, e, "b", "late", "a=1"), "ok");
		ff_test_set_time(t, ff_test_time(t) + DAY_MS);
		batches_until_expected(t, e, NULL);
		int64_t usage = usage_of(t, e, "b");
		ffp_fake_delay(ffp_fake_of(t), BEGINS);
		FF_CHECK_STR(t, ffp_report(t, e, "b", "late", "a=1"), "!io");
		FF_REQUIRE_OK(t, ff_engine_tick(e, 0, 0, NULL, ff_test_error(t)));
		for (unsigned i = 0; i < BEGINS; i++)
			FF_CHECK_STR(t, ffp_report(t, e, "c", "", "a=1"), "ok");
		FF_CHECK_EQ_INT(t, usage_of(t, e, "b"), usage);
		FF_CHECK(t, strstr(ffp_fake_dump(t, ffp_fake_of(t)), "late") != NULL);
		ff_test_set_time(t, ff_test_time(t) + DAY_MS);
		FF_REQUIRE_OK(t, ff_engine_tick(e, 0, 0, NULL, ff_test_error(t)));
		FF_CHECK(t, strstr(ffp_fake_dump(t, ffp_fake_of(t)), "late") == NULL);
	}
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* Where it is not so any more the batch runs again at once, by what is so, and the next ones look first: the more the more
 * often it was in vain. */
static void what_is_expected_in_vain_is_loaded(ff_test *t)
{
	static const int64_t waits[] = { 1, 8, 16, 32, 64, 128, 256, 512, 512 };
	ff_engine *e = open_far(t), *other = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=100000"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++)
		FF_CHECK_EQ_INT(t, batches_until_expected(t, e, other), waits[i]);
	FF_CHECK_EQ_INT(t, batches_until_expected(t, e, NULL), 512);
	for (unsigned right = 1; right < 5; right++)
		FF_CHECK_EQ_INT(t, batches_until_expected(t, e, NULL), 1);
	FF_CHECK_EQ_INT(t, batches_until_expected(t, e, other), 1);
	FF_CHECK_EQ_INT(t, batches_until_expected(t, e, other), 512 / 32 * 2);
	/* And none of it was lost or counted twice. */
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=3641");
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* What a commit that nobody answered went by was not found to be right. */
static void what_nobody_answered_was_not_right(ff_test *t)
{
	ff_engine *e = open_far(t), *other = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=100000"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	FF_CHECK_EQ_INT(t, batches_until_expected(t, e, other), 1);
	FF_CHECK_EQ_INT(t, batches_until_expected(t, e, other), 8);
	for (unsigned i = 1; i < 16; i++)
		FF_CHECK_STR(t, ffp_report(t, e, "b", ff_test_text(t, "%u", i), "a=1"), "ok");
	ffp_fake_delay(ffp_fake_of(t), 1000);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok"); /* its second try finds the key, and doubts keys */
	FF_CHECK_EQ_INT(t, batches_until_expected(t, e, NULL), 8);
	FF_CHECK_EQ_INT(t, batches_until_expected(t, e, other), 1);
	FF_CHECK_EQ_INT(t, batches_until_expected(t, e, NULL), 16);
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* So many batches until one takes a key for fresh, and loads nothing. */
static int64_t batches_until_trusted(ff_test *t, ff_engine *e)
{
	int64_t batches = 0;
	for (uint64_t loads = loads_of(t, e); batches < 1000; batches++, loads = loads_of(t, e)) {
		FF_CHECK_STR(t, ffp_report(t, e, "b", ff_test_text(t, "%" PRIu64, loads), "a=1"), "ok");
		if (loads_of(t, e) == loads)
			break;
	}
	return batches;
}

/* Nor were keys found to be fresh by a batch that failed, since what storing one tells comes with the commit at the latest. */
static void what_failed_was_not_right(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=100000"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok replayed");
	for (unsigned i = 1; i < 8; i++)
		FF_CHECK_STR(t, ffp_report(t, e, "b", ff_test_text(t, "%u", i), "a=1"), "ok");
	for (unsigned i = 0; i < 4; i++) {
		ffp_fault_set(FFP_SLOT_COMMIT, 1, FF_E_IO);
		FF_CHECK_STR(t, ffp_report(t, e, "b", "fails", "a=1"), "!io");
		FF_CHECK_EQ_INT(t, ffp_fault.hits, 1);
	}
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok replayed");
	FF_CHECK_EQ_INT(t, batches_until_trusted(t, e), 15);
}

/* While rows are looked at because somebody else changes them, keys are taken for fresh all the same: one that is not
 * shows by a load in vain, and only then are keys looked at. */
static void rows_and_keys_are_doubted_apart(ff_test *t)
{
	ff_engine *e = open_far(t), *other = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=100"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, other, "b", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "l", "a=1"), "ok"); /* rows are doubted */
	for (int in_vain = 1; in_vain >= 0; in_vain--) {
		uint64_t loads = loads_of(t, e), expects = ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_EXPECT);
		FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok replayed");
		FF_CHECK_EQ_INT(t, loads_of(t, e), loads + 1 + (uint64_t)in_vain);
		FF_CHECK_EQ_INT(t, ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_EXPECT), expects);
	}
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=3");
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

static const ff_case cases[] = {
	CASE(places_are_shared, "", 0),
	CASE(places_are_used_up, "", 0),
	CASE(rows_are_remembered, "", 0),
	CASE(tables_are_told_apart, "", 0),
	CASE(tables_that_are_remembered, "", 0),
	CASE(rows_that_are_not_remembered, "", 0),
	CASE(what_others_wrote_is_seen, "FF-RU-13", 0),
	CASE(purge_waits_for_what_is_not_remembered, "FF-MT-1", 0),
	CASE(what_is_remembered_is_expected, "FF-RU-13", 0),
	CASE(what_lanes_share_is_remembered_in_one, "FF-RU-13", 0),
	CASE(what_another_lane_wrote_is_seen, "FF-RU-13", 0),
	CASE(lanes_that_cannot_tell_take_no_memory, "", 0),
	CASE(what_has_no_key_is_loaded, "FF-ERR-5", 0),
	CASE(what_is_loaded_replaces_what_was_remembered, "FF-RU-13", 0),
	CASE(what_is_gone_is_forgotten, "FF-RU-13", 0),
	CASE(keys_of_the_batch_are_in_no_doubt, "FF-RU-2", 0),
	CASE(what_has_a_deadline_is_loaded, "", 0),
	CASE(what_comes_late_is_charged_once, "FF-ERR-5 FF-ERR-2", 0),
	CASE(what_comes_late_comes_behind_a_tick, "FF-ERR-5 FF-ERR-2", 0),
	CASE(what_is_expected_in_vain_is_loaded, "FF-RU-13 FF-ERR-4", 0),
	CASE(what_nobody_answered_was_not_right, "", 0),
	CASE(what_failed_was_not_right, "", 0),
	CASE(rows_and_keys_are_doubted_apart, "FF-RU-13", 0),
};

FAMILY(ffp_tests_recall, cases);
