/* What is not trusted: backends that break their word, and rows that cannot be read. */
#include <stdio.h>

#include "tests.h"

/* ---- backends that break their word ------------------------------------------------------------------------- */

static void ignore_problem(void *context, const char *problem)
{
	(void)context;
	(void)problem;
}

/* A call that comes to the slot. */
static ff_code call_slot(ff_test *t, ff_engine *e, ffp_slot_id slot)
{
	const ff_amount amount = { .dimension = "a", .amount = 1 };
	const ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1 };
	ff_engine *opened = NULL;
	if (slot == FFP_SLOT_CHECK)
		return ff_engine_check(e, ignore_problem, NULL, ff_test_error(t));
	if (slot >= FFP_SLOT_BEGIN)
		return ff_engine_report_usage(e, &report, NULL, ff_test_error(t));
	const char *uri = ff_test_text(t, "faulty%s", strchr(ff_test_uri(t), ':'));
	ff_code code = ff_engine_open(uri, NULL, &opened, ff_test_error(t));
	ff_engine_close(&opened);
	return code;
}

static void undocumented_codes_are_io(ff_test *t)
{
	static const struct {
		ffp_slot_id slot;
		const char *name;
		ff_code allowed[10];
	} slots[] = {
		{ FFP_SLOT_OPEN,
		  "open",
		  { FF_E_INVALID, FF_E_NOT_FOUND, FF_E_VERSION, FF_E_CORRUPT, FF_E_BUSY, FF_E_FULL, FF_E_UNAVAILABLE,
		    FF_E_MISUSE } },
		{ FFP_SLOT_LIMITS, "limits", { FF_OK } },
		{ FFP_SLOT_CHECK, "check", { FF_E_BUSY, FF_E_CORRUPT } },
		{ FFP_SLOT_BEGIN, "begin", { FF_E_BUSY, FF_E_FULL, FF_E_MISUSE } },
		{ FFP_SLOT_LOAD, "load", { FF_E_BUSY, FF_E_CONFLICT, FF_E_FULL, FF_E_CORRUPT } },
		{ FFP_SLOT_STORE, "store", { FF_E_BUSY, FF_E_CONFLICT, FF_E_FULL, FF_E_CORRUPT } },
		{ FFP_SLOT_COMMIT,
		  "commit",
		  { FF_E_BUSY, FF_E_CONFLICT, FF_E_FULL, FF_E_CORRUPT, FF_E_COMMIT_UNKNOWN } },
	};
	static const ff_code codes[] = { FF_E_INVALID,     FF_E_NOT_FOUND, FF_E_KEY_CONFLICT, FF_E_OVERFLOW,
		                         FF_E_CORRUPT,     FF_E_BUSY,      FF_E_FULL,         FF_E_IO,
		                         FF_E_UNAVAILABLE, FF_E_VERSION,   FF_E_NO_MEMORY,    FF_E_COMMIT_UNKNOWN,
		                         FF_E_DEADLINE,    FF_E_MISUSE,    FF_E_CONFLICT,     (ff_code)-1,
		                         (ff_code)15,      (ff_code)99,    (ff_code)101 };
	ff_engine_options options = ffp_options_with(1);
	ff_engine *e = ffp_open_faulty(t, &options);
	for (size_t s = 0; s < COUNT_OF(slots); s++) {
		for (size_t c = 0; c < COUNT_OF(codes); c++) {
			ff_code want = codes[c] == FF_E_IO || codes[c] == FF_E_NO_MEMORY ? codes[c] : FF_E_IO;
			for (size_t a = 0; slots[s].allowed[a]; a++)
				if (slots[s].allowed[a] == codes[c])
					want = codes[c] == FF_E_CONFLICT ? FF_E_BUSY : codes[c];
			ffp_fault_set(slots[s].slot, 1, codes[c]);
			if (!FF_CHECK_EQ_INT(t, call_slot(t, e, slots[s].slot), want) ||
			    !FF_CHECK_EQ_INT(t, ff_test_error(t)->code, want))
				ff_test_note(t, "%s answers %d", slots[s].name, (int)codes[c]);
			if (want == FF_E_IO && codes[c] != FF_E_IO)
				FF_CHECK_STR(
				    t, ff_test_error(t)->message,
				    ff_test_text(t,
				                 "backend 'faulty' answered %d, which is none of the codes of %s: "
				                 "a fault that was planned",
				                 (int)codes[c], slots[s].name));
		}
	}
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* A backend that says nothing about its error is spoken for. */
static void silent_errors_get_a_message(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	ffp_fault_set(FFP_SLOT_LOAD, 1, FF_E_CORRUPT);
	ffp_fault.silent = true;
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!corrupt");
	FF_CHECK_STR(t, ff_test_error(t)->message, "load failed");
	FF_CHECK_STR(t, ff_test_error(t)->backend, "faulty");
	ffp_fault_set(FFP_SLOT_BEGIN, 1, FF_E_BUSY);
	ffp_fault.silent = ffp_fault.repeat = true;
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!busy");
	FF_CHECK(t, ff_test_error(t)->retryable);
	ffp_fault_set(FFP_SLOT_LOAD, 1, FF_E_VERSION);
	ffp_fault.silent = true;
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!io");
	FF_CHECK_STR(t, ff_test_error(t)->message, "backend 'faulty' answered 10, which is none of the codes of load");
}

static void scribble_lines(ff_error *error)
{
	strcpy(error->message, "two\nlines\xff");
	strcpy(error->native_code, "\x1b[1m");
	strcpy(error->entity, "page\r");
	strcpy(error->id, "7\n");
}

static void scribble_without_end(ff_error *error)
{
	memset(error->message, 'm', sizeof(error->message));
	memset(error->native_code, 'n', sizeof(error->native_code));
	memset(error->id, 'i', sizeof(error->id));
	memset(error->entity, 'e', sizeof(error->entity));
	error->retryable = true;
}

/* Whatever a backend wrote into the record: its texts end, and are lines. */
static void scribbled_errors_are_cleaned(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	const ff_error *error = ff_test_error(t);
	ffp_fault_set(FFP_SLOT_LOAD, 1, FF_E_FULL);
	ffp_fault.scribble = scribble_lines;
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!full");
	FF_CHECK_STR(t, error->message, "two?lines?");
	FF_CHECK_STR(t, error->native_code, "?[1m");
	FF_CHECK_STR(t, error->entity, "page?");
	FF_CHECK_STR(t, error->id, "7?");
	ffp_fault_set(FFP_SLOT_COMMIT, 1, FF_E_FULL);
	ffp_fault.scribble = scribble_without_end;
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "!full");
	FF_CHECK_EQ_INT(t, strnlen(error->message, sizeof(error->message)), sizeof(error->message) - 1);
	FF_CHECK_EQ_INT(t, strnlen(error->native_code, sizeof(error->native_code)), sizeof(error->native_code) - 1);
	FF_CHECK_STR(t, error->backend, "faulty");
	FF_CHECK(t, error->retryable);
	ffp_fault_set(FFP_SLOT_STORE, 1, FF_E_VERSION); /* none of its codes: the message gets a prefix */
	ffp_fault.scribble = scribble_lines;
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "!io");
	FF_CHECK_STR(t, error->message,
	             "backend 'faulty' answered 10, which is none of the codes of store: two?lines?");
	ffp_fault_set(FFP_SLOT_OPEN, 1, FF_E_FULL); /* what was to be opened is not the backend's to say */
	ffp_fault.scribble = scribble_without_end;
	FF_CHECK_CODE(t, call_slot(t, e, FFP_SLOT_OPEN), FF_E_FULL);
	FF_CHECK_STR(t, error->entity, "store");
	FF_CHECK_STR(t, error->id, ff_test_text(t, "faulty%s", strchr(ff_test_uri(t), ':')));
}

/* The first attempt's record is full; of the second's nothing is told but by hand. */
static void scribble_less_and_less(ff_error *error)
{
	if (ffp_fault.hits > 1) {
		strcpy(error->message, "again");
		return;
	}
	ff_error_set(error, FF_E_BUSY, "a page is locked");
	ff_error_set_entity(error, "page", "7");
	strcpy(error->native_code, "5");
}

static void what_was_said_of_an_earlier_attempt_is_gone(ff_test *t)
{
	ff_engine_options options = ffp_options_with(2);
	ff_engine *e = ffp_open_faulty(t, &options);
	ffp_fault_set(FFP_SLOT_LOAD, 1, FF_E_BUSY);
	ffp_fault.repeat = ffp_fault.silent = true;
	ffp_fault.scribble = scribble_less_and_less;
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!busy");
	const ff_error *error = ff_test_error(t);
	FF_CHECK_STR(t, error->message, "contention outlived 2 attempts: again");
	FF_CHECK_STR(t, error->native_code, "");
	FF_CHECK_STR(t, error->entity, "budget");
	FF_CHECK_STR(t, error->id, "b");
}

static void keep_problem(void *context, const char *problem)
{
	snprintf(context, sizeof(((ff_error *)NULL)->message) + 1, "%s", problem);
}

/* What its check tells, too: a line that a terminal can be shown and JSON can hold, and no longer than an error's. */
static void told_problems_are_cleaned(ff_test *t)
{
	enum { LONGEST = sizeof(((ff_error *)NULL)->message) - 1 };
	ff_engine *e = ffp_open_faulty(t, NULL);
	char told[LONGEST + 2] = "";
	ffp_fault.problem = "row ('\x1b[2J', '\xc3\xa9\xc3'):\r\ntwo\tlines\xff\xc2\x85";
	FF_REQUIRE_OK(t, ff_engine_check(e, keep_problem, told, ff_test_error(t)));
	FF_CHECK_STR(t, told, "row ('?[2J', '\xc3\xa9?'):??two?lines???");
	ffp_fault.problem = ffp_name_of_size(t, 'n', 100000);
	FF_REQUIRE_OK(t, ff_engine_check(e, keep_problem, told, ff_test_error(t)));
	FF_CHECK_STR(t, told, ffp_name_of_size(t, 'n', LONGEST));
	ffp_fault.problem =
	    ff_test_text(t, "%s\xc3\xa9", ffp_name_of_size(t, 'n', LONGEST - 1)); /* cut before the last */
	FF_REQUIRE_OK(t, ff_engine_check(e, keep_problem, told, ff_test_error(t)));
	FF_CHECK_STR(t, told, ffp_name_of_size(t, 'n', LONGEST - 1));
}

static void answer_too_many(ff_read *reads, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (reads[i].kind == FF_READ_RANGE && reads[i].limit != UINT32_MAX)
			reads[i].rows_count = (size_t)reads[i].limit + 1;
}

/* More rows than were asked for would make a bounded call unbounded. */
static void too_many_rows_are_io(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	const ff_budget_page *page = NULL;
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	ffp_fault.mangle = answer_too_many;
	FF_CHECK_CODE(t, ff_engine_list_budgets(e, NULL, 1, &page, ff_test_error(t)), FF_E_IO);
	FF_CHECK_STR(t, ff_test_error(t)->message, "3 rows were answered, of at most 2");
	FF_CHECK_STR(t, ff_test_error(t)->backend, "faulty");
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "!io");
	FF_CHECK_STR(t, ff_test_error(t)->operation, "tick");
	ffp_fault_clear();
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* What a load answers instead of what was asked for. */
static struct {
	const ff_table *table;
	const char *id;       /* of what a look for a key finds, and of a range's first; NULL: their own */
	size_t first, second; /* of a range, which change places */
	size_t twice;         /* is the first again; 0: none */
} wrong;

static void name_wrongly(ff_row *row)
{
	if (row && wrong.id)
		*ff_row_text(row, &wrong.table->columns[0]) = (ff_text){ wrong.id, strlen(wrong.id) };
}

static void answer_wrongly(ff_read *reads, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (reads[i].table != wrong.table)
			continue;
		ff_row **rows = reads[i].rows;
		bool is_range = reads[i].kind == FF_READ_RANGE && reads[i].rows_count > wrong.second &&
		                reads[i].rows_count > wrong.twice;
		name_wrongly(is_range ? rows[0] : reads[i].row);
		if (!is_range)
			continue;
		ff_row *first = rows[wrong.first];
		rows[wrong.first] = rows[wrong.second];
		rows[wrong.second] = first;
		if (wrong.twice)
			rows[wrong.twice] = rows[0];
	}
}

/* A row that has another key than was asked for, as where bits of a file have turned over, cannot be read. */
static void rows_of_other_keys_are_corrupt(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "a", "d=10"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "b", "d=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "a", "k", "d=4"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "d=8"), "ok");
	ffp_fault.mangle = answer_wrongly;
	wrong.id = "";
	wrong.table = ffp_table(FFP_BUDGET_POLICY);
	FF_CHECK_STR(t, ffp_usage(t, e, "a"), "!corrupt");
	FF_CHECK_STR(t, ff_test_error(t)->message, "budget 'a' has a policy row that cannot be read");
	wrong.table = ffp_table(FFP_BUDGET_USAGE_DEDUP);
	FF_CHECK_STR(t, ffp_report(t, e, "a", "k", "d=4"), "!corrupt");
	ff_test_undo(t, e);
	e = ffp_open_faulty(t, NULL); /* which remembers none of them */
	ffp_fault.mangle = answer_wrongly;
	wrong.table = ffp_table(FFP_BUDGET_USAGE);
	FF_CHECK_STR(t, ffp_report(t, e, "a", "", "d=4"), "!corrupt");
	ffp_fault_clear();
	FF_CHECK_STR(t, ffp_usage(t, e, "a"), "d=4");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "d=8");
}

static void add_problem(void *context, const char *problem)
{
	size_t size = strlen(context);
	snprintf((char *)context + size, 1024 - size, "%s|", problem);
}

/* Rows that go up and down would lead a walk astray: what is missing then is not told, or there is no end. */
static void rows_out_of_order_are_corrupt(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	const ff_budget_page *page = NULL;
	for (unsigned i = 0; i < 6; i++)
		FF_CHECK_STR(t, ffp_create(t, e, ff_test_text(t, "b%u", i), "d=10"), "created");
	static const struct {
		size_t first, second, twice;
		const char *id, *after;
		ff_code code;
	} ways[] = {
		{ 0, 0, 0, NULL, "b1", FF_OK },        { 0, 1, 0, NULL, NULL, FF_E_CORRUPT },
		{ 2, 1, 0, NULL, NULL, FF_E_CORRUPT }, { 0, 0, 1, NULL, NULL, FF_E_CORRUPT },
		{ 0, 0, 0, "b0", "b1", FF_E_CORRUPT },
	};
	wrong.table = ffp_table(FFP_BUDGET_POLICY);
	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		wrong.id = ways[i].id;
		wrong.first = ways[i].first;
		wrong.second = ways[i].second;
		wrong.twice = ways[i].twice;
		ffp_fault.mangle = answer_wrongly;
		FF_CHECK_CODE(t, ff_engine_list_budgets(e, ways[i].after, 4, &page, ff_test_error(t)), ways[i].code);
		ffp_fault_clear();
		ff_free(page);
	}
	/* A check tells it, and goes on with other tables. */
	static const ffp_usage_row below = { .budget_id = { "b0", 2 },
		                             .dimensions_key = { "d", 1 },
		                             .current_value = -1 };
	char told[1024] = "";
	ffp_fake_put(ffp_fake_of(t), FFP_BUDGET_USAGE, &below.row);
	wrong.id = NULL;
	wrong.second = 1;
	ffp_fault.mangle = answer_wrongly;
	FF_REQUIRE_OK(t, ff_engine_check(e, add_problem, told, ff_test_error(t)));
	FF_CHECK_STR(t, told,
	             "budget 'b0' has a policy row that cannot be read|"
	             "usage of budget 'b0', dimension 'd' is below zero or of a period to come|");
	*told = '\0';
	wrong.second = 5; /* behind the last row that could be the first */
	FF_REQUIRE_OK(t, ff_engine_check(e, add_problem, told, ff_test_error(t)));
	for (unsigned i = 0; i < 5; i++)
		FF_CHECK(t, strstr(told, ff_test_text(t, "budget 'b%u' has a policy row that cannot be read", i)));
	FF_CHECK(t, !strstr(told, "'b5'"));
}

/* A check goes on with the other tables. */
static void a_table_that_cannot_be_read_is_told(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	char told[1024] = "";
	ffp_fault_set(FFP_SLOT_LOAD, 2, FF_E_CORRUPT);
	FF_REQUIRE_OK(t, ff_engine_check(e, add_problem, told, ff_test_error(t)));
	FF_CHECK_STR(t, told, "a fault that was planned|");
	FF_CHECK_EQ_INT(t, ffp_fault.seen, FFP_TABLES_COUNT);
}

/* A page that ends in a row which lies before it is no place to go on from: there would be no end. */
static void walks_go_one_way(ff_test *t)
{
	enum { BUDGETS = 600, PAGE = 500 };
	ff_engine *e = ffp_open_faulty(t, NULL);
	for (unsigned i = 0; i < BUDGETS; i++)
		FF_CHECK_STR(t, ffp_create(t, e, ff_test_text(t, "b%03u", i), ""), "created");
	wrong.table = ffp_table(FFP_BUDGET_POLICY);
	wrong.id = "a";
	wrong.first = wrong.second = 0;
	wrong.twice = PAGE - 1;
	char told[1024] = "";
	ffp_fault.mangle = answer_wrongly;
	FF_REQUIRE_OK(t, ff_engine_check(e, add_problem, told, ff_test_error(t)));
	FF_CHECK_STR(t, told,
	             "budget 'a' has a policy row that cannot be read|"
	             "budget 'a' has a policy row that cannot be read|");
}

/* Policy rows that cannot be read, so many in so many pages; or one of them with a key that is far ahead. */
static struct {
	uint64_t problems;
	unsigned pages;
	bool is_ahead;
	bool seen_last;
} damage;

static void note_problem(void *context, const char *problem)
{
	damage.problems++;
	damage.seen_last |= strstr(problem, context) != NULL;
}

/* The second page has nothing but a row that was to come first. */
static void damage_pages(ff_read *reads, size_t count)
{
	static const ff_text first = BYTES("a"), ahead = BYTES("z");
	if (count != 1 || reads[0].kind != FF_READ_RANGE || reads[0].table->id != FFP_BUDGET_POLICY)
		return;
	damage.pages++;
	if (damage.is_ahead && damage.pages == 1) {
		reads[0].rows[7]->state = FF_ROW_CORRUPT;
		((ffp_budget_row *)reads[0].rows[7])->budget_id = ahead;
	}
	for (size_t i = 0; !damage.is_ahead && damage.pages > 1 && damage.pages < 10 && i < reads[0].rows_count; i++)
		((ffp_budget_row *)reads[0].rows[i])->budget_id = first;
}

/* Nor is a page of nothing else, which would come again and again. And a row that cannot be read among others that can does
 * not say how far those go. */
static void walks_go_by_what_can_be_read(ff_test *t)
{
	enum { BUDGETS = 1100, PAGE = 500 };
	static const ff_text json = BYTES("{}");
	ff_engine *e = ffp_open_faulty(t, NULL);
	for (unsigned i = 0; i < BUDGETS; i++) {
		const char *id = ff_test_text(t, "b%04u", i);
		const ffp_budget_row row = { .row.nulls = 1u << FFP_BUDGET_LAST_BREACH_AT |
			                                  1u << FFP_BUDGET_LAST_BREACH_DIM |
			                                  1u << FFP_BUDGET_NEXT_RESET_AT,
			                     .budget_id = { id, strlen(id) },
			                     .policy_json = json,
			                     .enforcement_mode = BYTES("strict"),
			                     .breach_count = i + 1 == BUDGETS ? -1 : 0 };
		ffp_fake_put(ffp_fake_of(t), FFP_BUDGET_POLICY, &row.row);
	}
	for (unsigned way = 0; way < 2; way++) {
		memset(&damage, 0, sizeof(damage));
		damage.is_ahead = way;
		ffp_fault.mangle = damage_pages;
		char last[] = "b1099";
		FF_REQUIRE_OK(t, ff_engine_check(e, note_problem, last, ff_test_error(t)));
		FF_CHECK_EQ_INT(t, damage.pages, damage.is_ahead ? 3 : 2);
		FF_CHECK_EQ_INT(t, damage.problems, damage.is_ahead ? 2 : PAGE);
		FF_CHECK(t, damage.seen_last == damage.is_ahead);
	}
}

/* ---- rows that cannot be trusted ---------------------------------------------------------------------------- */

/* A row of which the key holds, and the rest is what a backend left there. */
static void put_corrupt_budget(ff_test *t, const char *id, int64_t next_reset_at_ms)
{
	const ffp_budget_row row = { .row.state = FF_ROW_CORRUPT,
		                     .budget_id = { id, strlen(id) },
		                     .next_reset_at_ms = next_reset_at_ms };
	ffp_fake_put(ffp_fake_of(t), FFP_BUDGET_POLICY, &row.row);
}

static void corrupt_rows_fail_their_calls(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	ffp_fake *fake = ffp_fake_of(t);
	const ff_quota_page *page = NULL;
	put_corrupt_budget(t, "b", 1);
	const ffp_usage_row usage = { .row.state = FF_ROW_CORRUPT,
		                      .budget_id = BYTES("u"),
		                      .dimensions_key = BYTES("a") };
	const ffp_key_row key = { .row.state = FF_ROW_CORRUPT, .dedup_key = BYTES("k"), .budget_id = BYTES("u") };
	const ffp_ledger_row ledger = { .row.state = FF_ROW_CORRUPT,
		                        .budget_id = BYTES("u"),
		                        .execution_id = BYTES("x"),
		                        .dimensions_key = BYTES("c") };
	const ffp_quota_row quota = { .row.state = FF_ROW_CORRUPT, .quota_policy_id = BYTES("q") };
	const ffp_quota_row full = { .quota_policy_id = BYTES("w"),
		                     .requests_per_window_seconds = 10,
		                     .max_requests_per_window = 1,
		                     .next_entry = 1,
		                     .limits_stored = 1 };
	const ffp_entry_row entry = { .row.state = FF_ROW_CORRUPT,
		                      .quota_policy_id = BYTES("w"),
		                      .expires_at_ms = INT64_MAX };
	ffp_fake_put(fake, FFP_BUDGET_USAGE, &usage.row);
	ffp_fake_put(fake, FFP_BUDGET_USAGE_DEDUP, &key.row);
	ffp_fake_put(fake, FFP_BUDGET_USAGE_BY_EXEC, &ledger.row);
	ffp_fake_put(fake, FFP_QUOTA_POLICY, &quota.row);
	ffp_fake_put(fake, FFP_QUOTA_POLICY, &full.row);
	ffp_fake_put(fake, FFP_QUOTA_WINDOW, &entry.row);
	const ffp_quota_row counting = { .quota_policy_id = BYTES("c"), .active_concurrency = 1, .limits_stored = 1 };
	const ffp_slot_row slot = { .row.state = FF_ROW_CORRUPT,
		                    .quota_policy_id = BYTES("c"),
		                    .execution_id = BYTES("x") };
	ffp_fake_put(fake, FFP_QUOTA_POLICY, &counting.row);
	ffp_fake_put(fake, FFP_QUOTA_ADMITTED, &slot.row);
	const ffp_quota_row at_fault = {
		.quota_policy_id = BYTES("r"), .active_concurrency = 1, .next_entry = -1, .limits_stored = 1
	};
	const ffp_slot_row sound = { .row.nulls = 1u << FFP_SLOT_LEASE_UNTIL,
		                     .quota_policy_id = BYTES("r"),
		                     .execution_id = BYTES("x") };
	ffp_fake_put(fake, FFP_QUOTA_POLICY, &at_fault.row);
	ffp_fake_put(fake, FFP_QUOTA_ADMITTED, &sound.row);
	FF_CHECK_STR(t, ffp_create(t, e, "u", "a=5"), "created");
	const char *before = ffp_fake_dump(t, fake);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!corrupt");
	FF_CHECK_STR(t, ff_test_error(t)->id, "b");
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "!corrupt");
	FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "!corrupt");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "!corrupt");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "!corrupt");
	FF_CHECK_STR(t, ffp_report(t, e, "u", "", "a=1"), "!corrupt");
	FF_CHECK_STR(t, ffp_usage(t, e, "u"), "!corrupt");
	FF_CHECK_STR(t, ffp_report(t, e, "u", "k", "z=1"), "!corrupt");
	FF_CHECK_STR(t, ffp_spend(t, e, "u", "x", "", "c=1"), "!corrupt");
	FF_CHECK_STR(t, ffp_release(t, e, "u", "x"), "!corrupt");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=1 max=1"), "!corrupt");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "!corrupt");
	FF_CHECK_CODE(t, ff_engine_list_quotas(e, "c", 1, &page, ff_test_error(t)), FF_E_CORRUPT);
	FF_CHECK_STR(t, ff_test_error(t)->id, "q");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", "window=1 max=1"), "!corrupt");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "!corrupt"); /* nobody knows that there is none */
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "x", 0), "!corrupt");
	FF_CHECK_STR(t, ffp_admit(t, e, "w", "x", ""), "!corrupt");
	FF_CHECK_STR(t, ffp_quota(t, e, "w"), "!corrupt");
	FF_CHECK_STR(t, ffp_admit(t, e, "c", "x", ""), "!corrupt");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "c", "x", 0), "!corrupt");
	FF_CHECK_STR(t, ffp_admit(t, e, "r", "x", ""), "!corrupt"); /* however sound its slot is */
	FF_CHECK_STR(t, ffp_release_slot(t, e, "r", "x", 0), "!corrupt");
	FF_CHECK_STR(t, ffp_export(t, e, 0), "!corrupt");
	FF_CHECK_STR(t, ffp_fake_dump(t, fake), before);
	FF_CHECK_STR(t, ffp_fake_broken(fake), "");
}

/* What an entry that cannot be read says of its end counts for nothing. */
static void unreadable_entries_are_in_no_window(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	const ffp_entry_row entry = {
		.row.state = FF_ROW_CORRUPT, .quota_policy_id = BYTES("q"), .entry = 7, .expires_at_ms = INT64_MAX
	};
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=10 max=2"), "created");
	ffp_fake_put(ffp_fake_of(t), FFP_QUOTA_WINDOW, &entry.row);
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=0 active=0 next=now");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=1 active=1 next=now");
}

/* What was made of a budget's row is not taken for a sign that its numbers are good: the last period but one is, and the one
 * that a reset makes of it is none that can be trusted, however the row was found. */
static void the_last_period_is_the_last(ff_test *t)
{
	static const char *const schemes[] = { "fake", "far" };
	for (size_t i = 0; i < COUNT_OF(schemes); i++) {
		const char *uri = ff_test_text(t, "%s%s", schemes[i], strchr(ff_test_uri(t), ':'));
		ff_engine *e = ff_test_open_uri(t, uri, NULL);
		const ffp_budget_row row = { .row.nulls = 1u << FFP_BUDGET_NEXT_RESET_AT |
			                                  1u << FFP_BUDGET_LAST_BREACH_AT |
			                                  1u << FFP_BUDGET_LAST_BREACH_DIM,
			                     .budget_id = BYTES("b"),
			                     .enforcement_mode = BYTES("strict"),
			                     .policy_json = BYTES("{}"),
			                     .scope_type = BYTES(""),
			                     .scope_id = BYTES(""),
			                     .period = INT64_MAX - 2 };
		ffp_fake_put(ffp_fake_of(t), FFP_BUDGET_POLICY, &row.row);
		for (unsigned report = 0; report < 3; report++) /* and it is remembered */
			FF_CHECK_STR(t, ffp_report(t, e, "b", ff_test_text(t, "k%u", report), "a=1"), "ok");
		FF_CHECK(t, ffp_reset(t, e, "b", 0)[0] != '!');
		FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "!corrupt");
		FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "!corrupt");
		FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!corrupt");
		FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
		ff_test_undo(t, e);
		ffp_fake_wipe(ffp_fake_of(t));
	}
}

/* Fails all loads from the 200th on, so that a tick that never ends does end. */
static void end_what_does_not_end(void)
{
	ffp_fault_set(FFP_SLOT_LOAD, 200, FF_E_IO);
	ffp_fault.repeat = true;
}

/*
 * A row that cannot be read has nothing that can be trusted but its key: the time that it is due at is not among it,
 * and tick must get past it all the same, however small its slices are.
 */
static void tick_passes_over_corrupt_budgets(ff_test *t)
{
	ff_engine_options options = ffp_options_with(1);
	options.purge_rows_max = 1;
	ff_engine *e = ffp_open_faulty(t, &options);
	FF_CHECK_STR(t, ffp_create(t, e, "a", "a=5 @reset=1"), "created");
	put_corrupt_budget(t, "b", 0);
	put_corrupt_budget(t, "c", 0);
	FF_CHECK_STR(t, ffp_create(t, e, "d", "a=5 @reset=1"), "created");
	ff_test_set_time(t, ff_test_time(t) + 10);
	end_what_does_not_end();
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=2 failed=2 keys=0 admissions=0");
}

/* What load answers of a row that it found by an index: its key and the index's columns, and no more. */
static void forget_the_time(ff_read *reads, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t r = 0; r < reads[i].rows_count; r++) {
			ffp_budget_row *row = (ffp_budget_row *)reads[i].rows[r];
			if (reads[i].table->id != FFP_BUDGET_POLICY || row->budget_id.data[0] != 'c')
				continue;
			*row = (ffp_budget_row){ .row.state = FF_ROW_CORRUPT,
				                 .budget_id = row->budget_id,
				                 .next_reset_at_ms = row->next_reset_at_ms };
		}
	}
}

static void tick_passes_over_unreadable_budgets(ff_test *t)
{
	ff_engine_options options = ffp_options_with(1);
	options.purge_rows_max = 1;
	ff_engine *e = ffp_open_faulty(t, &options);
	for (char id[] = "a"; id[0] < 'f'; id[0]++)
		FF_CHECK_STR(t, ffp_create(t, e, id, "a=5 @reset=1"), "created");
	ff_test_set_time(t, ff_test_time(t) + 10);
	end_what_does_not_end();
	ffp_fault.mangle = forget_the_time;
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=4 failed=1 keys=0 admissions=0");
}

/* A purge leaves a policy that cannot be read as it is, for check to find. */
static void purge_leaves_corrupt_policies_alone(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	ffp_fake *fake = ffp_fake_of(t);
	const ffp_quota_row policy = { .row.state = FF_ROW_CORRUPT,
		                       .quota_policy_id = BYTES("q"),
		                       .active_concurrency = 5 };
	const ffp_slot_row slot = { .quota_policy_id = BYTES("q"), .execution_id = BYTES("x"), .lease_until_ms = 1 };
	ffp_fake_put(fake, FFP_QUOTA_POLICY, &policy.row);
	ffp_fake_put(fake, FFP_QUOTA_ADMITTED, &slot.row);
	ffp_tick(t, e, 0, 0);
	FF_CHECK_STR(t, ffp_fake_broken(fake), "");
	FF_CHECK(t, strstr(ffp_fake_dump(t, fake), "quota_policy (corrupt)") != NULL);
}

/* A key that no call could have made, put into the store by hand: tick gets past it. */
static void tick_passes_over_endless_keys(ff_test *t)
{
	ff_engine_options options = ffp_options_with(1);
	options.purge_rows_max = 1;
	ff_engine *e = ffp_open_faulty(t, &options);
	const char *endless = ffp_name_of_size(t, 'k', 300);
	ffp_key_row row = { .dedup_key = { endless, 300 }, .budget_id = BYTES("b"), .expires_at_ms = INT64_MAX };
	ffp_fake_put(ffp_fake_of(t), FFP_BUDGET_USAGE_DEDUP, &row.row);
	row = (ffp_key_row){ .dedup_key = BYTES("z"), .budget_id = BYTES("b"), .expires_at_ms = 1 };
	ffp_fake_put(ffp_fake_of(t), FFP_BUDGET_USAGE_DEDUP, &row.row);
	end_what_does_not_end();
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=1 admissions=0");
}

/* A place that cannot be read is as if there were none, and is written anew. */
static void tick_replaces_a_corrupt_place(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	ffp_fake *fake = ffp_fake_of(t);
	const ffp_sweep_row place = { .row.state = FF_ROW_CORRUPT,
		                      .work = BYTES("ff_budget_usage_dedup"),
		                      .last_text_1 = BYTES("b") };
	ffp_fake_put(fake, FFP_SWEEP, &place.row);
	for (char key[] = "a"; key[0] < 'e'; key[0]++) {
		const ffp_key_row row = { .dedup_key = { key, 1 }, .budget_id = BYTES("b"), .expires_at_ms = 1 };
		ffp_fake_put(fake, FFP_BUDGET_USAGE_DEDUP, &row.row);
	}
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 2), "resets=0 failed=0 keys=2 admissions=0"); /* the first two */
	FF_CHECK(t, strstr(ffp_fake_dump(t, fake), "budget_usage_dedup 'c'"));
	FF_CHECK_STR(t, ffp_fake_broken(fake), "");
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=2 admissions=0");
	FF_CHECK_STR(t, ffp_fake_broken(fake), "");
	/* with nothing left of it, also where the table has fewer texts in its key */
	const ffp_sweep_row other = { .row.state = FF_ROW_CORRUPT,
		                      .work = BYTES("ff_quota_window"),
		                      .last_text_2 = BYTES("garbage") };
	ffp_fake_put(fake, FFP_SWEEP, &other.row);
	for (int i = 0; i < 2; i++) {
		const ffp_entry_row row = { .quota_policy_id = BYTES("q"), .entry = i, .expires_at_ms = 1 };
		ffp_fake_put(fake, FFP_QUOTA_WINDOW, &row.row);
	}
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 1), "resets=0 failed=0 keys=0 admissions=1");
	FF_CHECK_STR(t, ffp_fake_broken(fake), "");
	FF_CHECK(t, !strstr(ffp_fake_dump(t, fake), "garbage"));
}

static const ff_case cases[] = {
	CASE(undocumented_codes_are_io, "", 0),
	CASE(silent_errors_get_a_message, "FF-ERR-1", 0),
	CASE(told_problems_are_cleaned, "FF-MT-4 FF-ERR-1", 0),
	CASE(scribbled_errors_are_cleaned, "FF-ERR-1", 0),
	CASE(what_was_said_of_an_earlier_attempt_is_gone, "FF-ERR-1", 0),
	CASE(too_many_rows_are_io, "", 0),
	CASE(rows_of_other_keys_are_corrupt, "FF-RU-8", 0),
	CASE(rows_out_of_order_are_corrupt, "FF-RU-8", 0),
	CASE(a_table_that_cannot_be_read_is_told, "FF-MT-4", 0),
	CASE(walks_go_one_way, "FF-MT-4", 0),
	CASE(walks_go_by_what_can_be_read, "FF-MT-4", 0),
	CASE(corrupt_rows_fail_their_calls, "FF-RU-8", 0),
	CASE(the_last_period_is_the_last, "FF-RU-8 FF-RB-1", 0),
	CASE(unreadable_entries_are_in_no_window, "", 0),
	CASE(tick_passes_over_corrupt_budgets, "FF-RB-4", 0),
	CASE(tick_passes_over_unreadable_budgets, "FF-RB-4", 0),
	CASE(purge_leaves_corrupt_policies_alone, "FF-MT-1", 0),
	CASE(tick_passes_over_endless_keys, "FF-MT-1", 0),
	CASE(tick_replaces_a_corrupt_place, "FF-MT-1", 0),
};

FAMILY(ffp_tests_distrust, cases);
