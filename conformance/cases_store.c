/* Stores: what outlives a handle, schemas, stores that are missing, read only (FF-MT-2). */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"

static ff_code try_open(ff_test *t, const char *uri, uint32_t flags)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.flags = flags;
	options.clock = ff_test_clock(t);
	ff_engine *e = NULL;
	ff_code code = ff_engine_open(uri, &options, &e, ff_test_error(t));
	FF_CHECK(t, (code == FF_OK) == (e != NULL));
	ff_engine_close(&e);
	return code;
}

static void store_outlives_its_handles(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10:5 @reset=1000 @scope=s:1 @hard=h"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=6"), "soft a 6/5");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=6"), "hard a 6/10");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "c=2"), "ok");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=1 max=1 slots=1"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	const char *before = ffp_show_status(t, ffp_status(t, e, "b"));
	for (int i = 0; i < 2; i++) {
		ff_test_undo(t, e);
		e = ff_test_open(t, NULL);
		FF_CHECK_STR(t, ffp_show_status(t, ffp_status(t, e, "b")), before);
		FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=6"), "soft a 6/5 replayed");
		FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "already_admitted");
		FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "rate_exceeded 1000");
	}
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "c=2");
}

/* ---- processes ---------------------------------------------------------------------------------------------- */

enum { HANDLES_MAX = 2, SECONDS_MAX = 60 };

/* What a process does with the stores of its URIs: a charge by each, with keys k0, k1, … */
typedef struct charges {
	const char *uris[HANDLES_MAX];
	unsigned count;
	uint64_t amount;
	bool closes; /* and does not just end */
} charges;

static ff_code charge_by_each(ff_test *t, const charges *of, ff_engine **engines)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.clock = ff_test_clock(t);
	ff_code code = FF_OK;
	for (unsigned i = 0; !code && i < of->count; i++)
		code = ff_engine_open(of->uris[i], &options, &engines[i], NULL);
	for (unsigned i = 0; !code && i < of->count; i++) {
		const char key[] = { 'k', (char)('0' + i), '\0' };
		ff_amount amount = { "a", of->amount };
		ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1, .idempotency_key = key };
		code = ff_engine_report_usage(engines[i], &report, &(ff_outcome){ 0 }, NULL);
	}
	return code;
}

static void close_each(const charges *of, ff_engine **engines)
{
	for (unsigned i = 0; i < of->count; i++)
		ff_engine_close(&engines[i]);
}

/* The status that another process ended with, which does `body`. */
static int end_of_another(ff_test *t, int (*body)(ff_test *t, const charges *of), const charges *of)
{
	pid_t child = fork();
	FF_REQUIRE(t, child >= 0);
	if (child == 0) {
		signal(SIGALRM, SIG_DFL);
		alarm(SECONDS_MAX);
		_exit(body(t, of));
	}
	int status = -1;
	FF_REQUIRE(t, waitpid(child, &status, 0) == child);
	return status;
}

static int charge(ff_test *t, const charges *of)
{
	ff_engine *engines[HANDLES_MAX] = { NULL };
	ff_code code = charge_by_each(t, of, engines);
	if (of->closes)
		close_each(of, engines);
	return (int)code;
}

/* The name of the code that another process ended with. */
static const char *charge_elsewhere(ff_test *t, const charges *of)
{
	int status = end_of_another(t, charge, of);
	return WIFEXITED(status)             ? ff_code_name((ff_code)WEXITSTATUS(status))
	       : WTERMSIG(status) == SIGALRM ? "a process that did not end"
	                                     : "a process that a signal ended";
}

/* Acknowledged, and then the process is gone without a word. */
static void answer_outlives_its_process(ff_test *t)
{
	ff_test_undo(t, ff_test_open(t, NULL));
	const charges of = { .uris = { ff_test_uri(t) }, .count = 1, .amount = 7 };
	FF_CHECK_STR(t, charge_elsewhere(t, &of), "ok");
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=7");
}

/*
 * An answer that may be lost, and one behind it that may not and rests on it, by another handle of the process. Only of
 * stores that know the parameter, and are not given it.
 */
static void answer_rests_on_one_that_may_be_lost(ff_test *t)
{
	const char *uri = ff_test_uri(t);
	const char *loose = ff_test_text(t, "%s%cdurability=none", uri, strchr(uri, '?') ? '&' : '?');
	const charges of = { .uris = { loose, uri }, .count = 2, .amount = 1 };
	ff_code known = try_open(t, loose, 0);
	if (!FF_CHECK(t, known == FF_OK || known == FF_E_INVALID) || known)
		return;
	FF_CHECK_STR(t, charge_elsewhere(t, &of), "ok");
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k1", "a=1"), "ok replayed");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k0", "a=1"), "ok replayed");
}

/*
 * What a library keeps for its process, such as threads, may outlive its last handle and is missing in the child of a
 * fork. Only where a parent has a store open may a child be told that it can open none.
 */
static void child_opens_and_closes(ff_test *t)
{
	const charges of = { .uris = { ff_test_uri(t) }, .count = 1, .amount = 1, .closes = true };
	const charges other = { .uris = { ff_test_missing_uri(t) }, .count = 1, .amount = 1, .closes = true };
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	const char *answer = charge_elsewhere(t, &other);
	if (strcmp(answer, "misuse") != 0)
		FF_CHECK_STR(t, answer, "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	ff_test_undo(t, e);
	FF_CHECK_STR(t, charge_elsewhere(t, &of), "ok");
}

/* What an aborted transaction stored is not there. */
static void aborted_writes_leave_nothing(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	ff_test_undo(t, e);
	ffp_raw *raw = NULL;
	ff_txn *txn = NULL;
	FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_raw_catalog, FF_STORE_MUST_EXIST, &raw));
	FF_REQUIRE_OK(t, raw->backend->begin(raw->store, FF_TXN_WRITE, &txn, ff_test_error(t)));
	ff_read all = { .table = &ffp_raw_catalog.tables[1], .kind = FF_READ_RANGE, .limit = 10 };
	ff_code code = raw->backend->load(txn, ffp_raw_arena(t), &all, 1, ff_test_error(t));
	ff_write write = { .table = all.table, .kind = FF_WRITE_DELETE, .before = all.rows ? all.rows[0] : NULL };
	if (!code)
		code = raw->backend->store(txn, &write, 1, ff_test_error(t));
	raw->backend->abort(txn);
	FF_CHECK(t, code == FF_OK);
	ffp_raw_close(t, raw);
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_budget_usage"), 1);
}

/* ---- missing stores, read only ------------------------------------------------------------------------------ */

static void missing_store(ff_test *t)
{
	const char *uri = ff_test_missing_uri(t);
	FF_CHECK_STR(t, ff_code_name(try_open(t, uri, FF_OPEN_READ_ONLY)), "not_found");
	FF_CHECK_STR(t, ff_test_error(t)->entity, "store");
	FF_CHECK_STR(t, ff_code_name(try_open(t, uri, FF_OPEN_MUST_EXIST)), "not_found");
	/* Neither has made one. */
	FF_CHECK_STR(t, ff_code_name(try_open(t, uri, FF_OPEN_READ_ONLY)), "not_found");
	FF_CHECK_STR(t, ff_code_name(try_open(t, uri, FF_OPEN_READ_ONLY | FF_OPEN_MUST_EXIST)), "not_found");
	FF_CHECK_STR(t, ff_code_name(try_open(t, uri, 0)), "ok");
	FF_CHECK_STR(t, ff_code_name(try_open(t, uri, FF_OPEN_READ_ONLY)), "ok");
	FF_CHECK_STR(t, ff_code_name(try_open(t, uri, FF_OPEN_MUST_EXIST)), "ok");
}

static void read_only_reads_and_writes_nothing(ff_test *t)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.flags = FF_OPEN_READ_ONLY;
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 @reset=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=3"), "ok");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", ""), "created");
	const char *before = ffp_export(t, e, 0);
	ff_engine *reader = ff_test_open(t, &options);
	FF_CHECK_STR(t, ffp_usage(t, reader, "b"), "a=3");
	FF_CHECK_STR(t, ffp_export(t, reader, 0), before);
	FF_CHECK_STR(t, ffp_report(t, reader, "b", "", "a=1"), "!unavailable");
	FF_CHECK_STR(t, ffp_report(t, reader, "b", "k", "a=3"), "!unavailable");
	FF_CHECK_STR(t, ffp_create(t, reader, "c", ""), "!unavailable");
	FF_CHECK_STR(t, ffp_reset(t, reader, "b", 0), "!unavailable");
	FF_CHECK_STR(t, ffp_spend(t, reader, "b", "x", "", "a=1"), "!unavailable");
	FF_CHECK_STR(t, ffp_release(t, reader, "b", "x"), "!unavailable");
	FF_CHECK_STR(t, ffp_create_quota(t, reader, "r", ""), "!unavailable");
	FF_CHECK_STR(t, ffp_admit(t, reader, "q", "x", ""), "!unavailable");
	FF_CHECK_STR(t, ffp_release_slot(t, reader, "q", "x", 0), "!unavailable");
	FF_CHECK_STR(t, ffp_tick(t, reader, 0, 0), "!unavailable");
	FF_CHECK_STR(t, ffp_import(t, reader, ""), "!unavailable");
	FF_CHECK_CODE(t, ff_engine_tick_every(reader, 1000, ff_test_error(t)), FF_E_UNAVAILABLE);
	/* Arguments come first, and a deadline comes later (FF-ERR-3). */
	const ff_amount amount = { "a", 1 };
	const ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1 };
	ff_call late = { .op = FF_OP_REPORT_USAGE, .deadline_ms = 1, .in.report = &report };
	FF_CHECK_CODE(t, ff_engine_submit(reader, &late, 1, ff_test_error(t)), FF_OK);
	FF_CHECK_CODE(t, late.code, FF_E_UNAVAILABLE);
	FF_CHECK_STR(t, ffp_report(t, reader, "b", "", "a=1 a=1"), "!invalid");
	FF_CHECK_STR(t, ffp_tick(t, reader, -1, 0), "!invalid");
	FF_CHECK_CODE(t, ff_engine_tick_every(reader, 86400001, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK_CODE(t, ff_engine_import(reader, NULL, NULL, NULL, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK_STR(t, ffp_export(t, e, 0), before);
	/* It follows the store: what is written beside it is seen, and so is a reset that nobody wrote. */
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_usage(t, reader, "b"), "a=4");
	ff_test_set_time(t, T0 + 10);
	FF_CHECK_STR(t, ffp_usage(t, reader, "b"), "a=0");
}

/* ---- what is printed ---------------------------------------------------------------------------------------- */

/* The program's outputs, which go to a file meanwhile. */
typedef struct outputs {
	FILE *file;
	int kept[2]; /* those of old, by STDOUT_FILENO and STDERR_FILENO */
} outputs;

static const int output_of[2] = { STDOUT_FILENO, STDERR_FILENO };

static void flush_outputs(void)
{
	fflush(stdout);
	fflush(stderr);
}

static void give_back_outputs(void *object)
{
	outputs *of = object;
	flush_outputs();
	for (int i = 0; i < 2; i++) {
		if (of->kept[i] >= 0) {
			dup2(of->kept[i], output_of[i]);
			close(of->kept[i]);
		}
		of->kept[i] = -1;
	}
	if (of->file)
		fclose(of->file);
	of->file = NULL;
}

static outputs *take_outputs(ff_test *t)
{
	outputs *taken = ff_test_alloc(t, sizeof(*taken));
	*taken = (outputs){ .file = tmpfile(), .kept = { -1, -1 } };
	ff_test_defer(t, give_back_outputs, taken);
	FF_REQUIRE(t, taken->file != NULL);
	flush_outputs();
	for (int i = 0; i < 2; i++) {
		taken->kept[i] = fcntl(output_of[i], F_DUPFD_CLOEXEC, 0);
		FF_REQUIRE(t, taken->kept[i] >= 0 && dup2(fileno(taken->file), output_of[i]) >= 0);
	}
	return taken;
}

/* What was printed so far, its beginning. */
static const char *read_outputs(ff_test *t, const outputs *of)
{
	char *text = ff_test_alloc(t, 1024);
	flush_outputs();
	return pread(fileno(of->file), text, 1023, 0) < 0 ? NULL : text;
}

/* Neither what goes well nor what fails: outputs are the host's. */
static void nothing_is_printed(ff_test *t)
{
	outputs *taken = take_outputs(t);
	ff_engine *e = ff_test_open(t, NULL);
	const char *uri = ff_test_uri(t);
	const char *wrong = ff_test_text(t, "%s%cno_such_parameter=1", uri, strchr(uri, '?') ? '&' : '?');
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=6"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=6"), "hard a 6/10");
	FF_CHECK_STR(t, ffp_reset(t, e, "no_such_budget", 0), "!not_found");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=6");
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=0 admissions=0");
	ff_test_undo(t, e);
	FF_CHECK_STR(t, ff_code_name(try_open(t, wrong, 0)), "invalid");
	if (ff_test_given(t) & FF_CASE_MISSING_STORE)
		FF_CHECK_STR(t, ff_code_name(try_open(t, ff_test_missing_uri(t), FF_OPEN_READ_ONLY)), "not_found");
	FF_CHECK_STR(t, read_outputs(t, taken), "");
}

/* ---- descriptors -------------------------------------------------------------------------------------------- */

/* Of nothing, so that it harms nobody who prints. */
static bool is_null_device(int descriptor)
{
	struct stat null, there;
	return fstat(descriptor, &there) == 0 && stat("/dev/null", &null) == 0 && there.st_rdev == null.st_rdev;
}

/* What is wrong with what is open now and was not before: an index of the words below. */
static int look_at_what_is_new(const bool *before, int count)
{
	for (int i = 0; i < count; i++) {
		int flags = before[i] ? -1 : fcntl(i, F_GETFD);
		if (flags < 0 || (i <= STDERR_FILENO && is_null_device(i)))
			continue;
		if (i <= STDERR_FILENO)
			return 2;
		if (!(flags & FD_CLOEXEC))
			return 3;
	}
	return 0;
}

/* Opens and uses a store, where the outputs and the input are closed. */
static int look_at_descriptors(ff_test *t, const charges *of)
{
	enum { DESCRIPTORS = 256 };
	bool before[DESCRIPTORS];
	ff_engine *engines[HANDLES_MAX] = { NULL };
	for (int i = 0; i < DESCRIPTORS; i++) {
		if (i <= STDERR_FILENO)
			close(i);
		before[i] = fcntl(i, F_GETFD) >= 0;
	}
	int fault = charge_by_each(t, of, engines) == FF_OK ? look_at_what_is_new(before, DESCRIPTORS) : 1;
	close_each(of, engines);
	return fault;
}

/* What the host prints does not go into a store, and no program that it starts has one open. */
static void descriptors_are_the_stores_own(ff_test *t)
{
	static const char *const words[] = { "as they should be", "none: the store takes no report",
		                             "one is an input or an output", "one is open behind an exec" };
	const charges of = { .uris = { ff_test_uri(t) }, .count = 1, .amount = 1 };
	int status = end_of_another(t, look_at_descriptors, &of);
	FF_REQUIRE(t, WIFEXITED(status) && WEXITSTATUS(status) < 4);
	FF_CHECK_STR(t, words[WEXITSTATUS(status)], words[0]);
}

/* ---- schemas ------------------------------------------------------------------------------------------------ */

/* A catalog of the suite's own, as it was at version 1 and as it became at 2: more columns, an index, a table. */
typedef struct note_row {
	ff_row row;
	ff_text id;
	int64_t number;
	int64_t added_number;
	int64_t added_maybe;
	ff_text added_text;
} note_row;

#define NOTE(field, type_, nullable_, since_)                                                                  \
	{                                                                                                      \
		.name = #field, .offset = offsetof(note_row, field), .type = (type_), .nullable = (nullable_), \
		.since = (since_)                                                                              \
	}

static const ff_column note_columns[] = {
	NOTE(id, FF_TYPE_TEXT, 0, 1),
	NOTE(number, FF_TYPE_INT64, 0, 1),
	NOTE(added_number, FF_TYPE_INT64, 0, 2),
	NOTE(added_maybe, FF_TYPE_INT64, 1, 2),
	NOTE(added_text, FF_TYPE_TEXT, 0, 2),
};
static const ff_index note_indexes[] = {
	{ .name = "ff_note_by_number", .columns = { 1 }, .columns_count = 1, .since = 2 },
};
static const ff_table note_tables[] = {
	{ .name = "ff_note",
	  .columns = note_columns,
	  .indexes = note_indexes,
	  .row_size = sizeof(note_row),
	  .columns_count = 5,
	  .key_count = 1,
	  .indexes_count = 1,
	  .id = 0,
	  .since = 1 },
	{ .name = "ff_later",
	  .columns = note_columns,
	  .row_size = sizeof(note_row),
	  .columns_count = 2,
	  .key_count = 1,
	  .id = 1,
	  .since = 2 },
};
static const ff_table old_tables[] = {
	{ .name = "ff_note",
	  .columns = note_columns,
	  .row_size = sizeof(note_row),
	  .columns_count = 2,
	  .key_count = 1,
	  .id = 0,
	  .since = 1 },
};
static const ff_catalog old_catalog = { .tables = old_tables, .tables_count = 1, .version = 1 };
static const ff_catalog new_catalog = { .tables = note_tables, .tables_count = 2, .version = 2 };

static note_row note(const char *id, int64_t number)
{
	return (note_row){ .id = { id, strlen(id) }, .number = number, .row.nulls = 1u << 3 };
}

/* Puts rows that were not there, in one transaction. */
static void put_notes(ff_test *t, ffp_raw *raw, const ff_table *table, note_row *rows, size_t count)
{
	ff_txn *txn = NULL;
	ff_write writes[4];
	ff_read reads[4];
	for (size_t i = 0; i < count; i++) {
		reads[i] = (ff_read){ .table = table, .kind = FF_READ_GET, .low = &rows[i].row };
		writes[i] = (ff_write){ .table = table, .kind = FF_WRITE_PUT, .after = &rows[i].row };
	}
	FF_REQUIRE_OK(t, raw->backend->begin(raw->store, FF_TXN_WRITE, &txn, ff_test_error(t)));
	ff_code code = raw->backend->load(txn, ffp_raw_arena(t), reads, count, ff_test_error(t));
	if (!code)
		code = raw->backend->store(txn, writes, count, ff_test_error(t));
	if (code)
		raw->backend->abort(txn);
	else
		code = raw->backend->commit(txn, ff_test_error(t));
	FF_REQUIRE_OK(t, code);
}

/* All rows of a table in an order. */
static ff_read read_notes(ff_test *t, ffp_raw *raw, const ff_table *table, const ff_index *index)
{
	ff_txn *txn = NULL;
	ff_read read = { .table = table, .index = index, .kind = FF_READ_RANGE, .limit = 10 };
	FF_REQUIRE_OK(t, raw->backend->begin(raw->store, FF_TXN_READ, &txn, ff_test_error(t)));
	ff_code code = raw->backend->load(txn, ffp_raw_arena(t), &read, 1, ff_test_error(t));
	raw->backend->abort(txn);
	FF_REQUIRE_OK(t, code);
	return read;
}

static void older_schema_is_migrated(ff_test *t)
{
	ffp_raw *raw = NULL;
	note_row old[] = { note("a", 9), note("b", 3) };
	FF_REQUIRE_OK(t, ffp_raw_open(t, &old_catalog, 0, &raw));
	put_notes(t, raw, &old_tables[0], old, 2);
	ffp_raw_close(t, raw);
	FF_REQUIRE_OK(t, ffp_raw_open(t, &new_catalog, 0, &raw));
	ff_read rows = read_notes(t, raw, &note_tables[0], NULL);
	FF_REQUIRE(t, rows.rows_count == 2);
	const note_row *first = (const note_row *)rows.rows[0];
	FF_CHECK_EQ_INT(t, first->row.state, FF_ROW_OK);
	FF_CHECK_EQ_INT(t, first->number, 9);
	FF_CHECK_EQ_INT(t, first->added_number, 0);
	FF_CHECK(t, ff_row_is_null(&first->row, 3) && !ff_row_is_null(&first->row, 4));
	FF_CHECK_EQ_INT(t, first->added_text.size, 0);
	/* The index that the new schema brought has the old rows. */
	rows = read_notes(t, raw, &note_tables[0], &note_indexes[0]);
	FF_REQUIRE(t, rows.rows_count == 2);
	FF_CHECK_EQ_INT(t, ((const note_row *)rows.rows[0])->number, 3);
	FF_CHECK_EQ_INT(t, read_notes(t, raw, &note_tables[1], NULL).rows_count, 0);
	note_row later[] = { note("c", 1) };
	put_notes(t, raw, &note_tables[1], later, 1);
	ffp_raw_close(t, raw);
	/* And is now too new for who knows the old one only. */
	FF_CHECK_CODE(t, ffp_raw_open(t, &old_catalog, 0, &raw), FF_E_VERSION);
	FF_REQUIRE_OK(t, ffp_raw_open(t, &new_catalog, FF_STORE_MUST_EXIST, &raw));
	FF_CHECK_EQ_INT(t, read_notes(t, raw, &note_tables[1], NULL).rows_count, 1);
}

/* The engine's own tables, one version on: as a newer library would leave them. */
static void newer_schema_is_left_untouched(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	ff_test_undo(t, e);
	ff_catalog newer = ffp_raw_catalog;
	newer.version++;
	ffp_raw *raw = NULL;
	FF_REQUIRE_OK(t, ffp_raw_open(t, &newer, 0, &raw));
	ffp_raw_close(t, raw);
	FF_CHECK_STR(t, ff_code_name(try_open(t, ff_test_uri(t), 0)), "version");
	FF_CHECK_STR(t, ff_code_name(try_open(t, ff_test_uri(t), FF_OPEN_READ_ONLY)), "version");
	FF_CHECK_STR(t, ff_code_name(try_open(t, ff_test_uri(t), FF_OPEN_MUST_EXIST)), "version");
	FF_REQUIRE_OK(t, ffp_raw_open(t, &newer, FF_STORE_MUST_EXIST, &raw));
	ff_read rows = read_notes(t, raw, &newer.tables[1], NULL);
	FF_CHECK_EQ_INT(t, rows.rows_count, 1);
}

/* ---- rows as backends keep them ------------------------------------------------------------------------------ */

/* Texts of any bytes below 0x80 and above, numbers at their ends, NULL beside 0 and empty: as they were put. */
static void rows_come_back_as_they_were_put(ff_test *t)
{
	note_row rows[] = { note("", INT64_MIN), note("a\"'%\\", INT64_MAX), note("\xf0\x9f\x92\xa9", -1),
		            note("zz", (int64_t)TWO_53 + 1) };
	rows[1].row.nulls = 0;
	rows[1].added_maybe = 0;
	rows[1].added_text = (ff_text){ "text", 4 };
	rows[3].row.nulls = 0;
	rows[3].added_maybe = INT64_MIN;
	ffp_raw *raw = NULL;
	FF_REQUIRE_OK(t, ffp_raw_open(t, &new_catalog, 0, &raw));
	put_notes(t, raw, &note_tables[0], rows, 4);
	ff_read back = read_notes(t, raw, &note_tables[0], NULL);
	FF_REQUIRE(t, back.rows_count == 4);
	static const size_t order[] = { 0, 1, 3, 2 };
	for (size_t i = 0; i < 4; i++) {
		const note_row *want = &rows[order[i]], *got = (const note_row *)back.rows[i];
		FF_CHECK(t, !ff_text_compare(got->id, want->id));
		FF_CHECK_EQ_INT(t, got->number, want->number);
		FF_CHECK_EQ_INT(t, got->row.nulls, want->row.nulls);
		FF_CHECK(t, want->row.nulls || got->added_maybe == want->added_maybe);
		FF_CHECK(t, !ff_text_compare(got->added_text, want->added_text));
	}
	back = read_notes(t, raw, &note_tables[0], &note_indexes[0]);
	FF_REQUIRE(t, back.rows_count == 4);
	for (size_t i = 1; i < 4; i++)
		FF_CHECK(t, ((note_row *)back.rows[i - 1])->number < ((note_row *)back.rows[i])->number);
}

/* The suite's description of the tables is the engine's: what either writes the other reads. */
static void rows_are_named_as_documented(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 @reset=1000 @scope=team:7 @mode=advisory"), "created");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "k", "a=11"), "hard a 0/10 applied");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=60 max=5 slots=2"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", "lease=500"), "admitted");
	static const struct {
		const char *table, *key, *column, *value;
	} cells[] = {
		{ "ff_budget_policy", "b", "scope_type", "team" },
		{ "ff_budget_policy", "b", "scope_id", "7" },
		{ "ff_budget_policy", "b", "enforcement_mode", "advisory" },
		{ "ff_budget_policy", "b", "breach_count", "1" },
		{ "ff_budget_policy", "b", "last_breach_at_ms", "1000000" },
		{ "ff_budget_policy", "b", "last_breach_dim", "a" },
		{ "ff_budget_policy", "b", "next_reset_at_ms", "1001000" },
		{ "ff_budget_policy", "b", "period", "0" },
		{ "ff_budget_usage", "b\na", "current_value", "11" },
		{ "ff_budget_usage_dedup", "k\nb", "expires_at_ms", "87400000" },
		{ "ff_budget_usage_by_exec", "b\nx\na", "delta_total", "11" },
		{ "ff_quota_policy", "q", "requests_per_window_seconds", "60" },
		{ "ff_quota_policy", "q", "max_requests_per_window", "5" },
		{ "ff_quota_policy", "q", "active_concurrency_cap", "2" },
		{ "ff_quota_policy", "q", "active_concurrency", "1" },
		{ "ff_quota_policy", "q", "limits_stored", "1" },
		{ "ff_quota_window", "q\n0", "execution_id", "x" },
		{ "ff_quota_window", "q\n0", "admitted_at_ms", "1000000" },
		{ "ff_quota_admitted", "q\nx", "lease_until_ms", "1000500" },
		{ "ff_quota_admitted", "q\nx", "expires_at_ms", "1060000" },
		{ "ff_quota_admitted", "q\ny", "expires_at_ms", "(absent)" },
	};
	for (size_t i = 0; i < sizeof(cells) / sizeof(*cells); i++) {
		if (!FF_CHECK_STR(t, ffp_row_get(t, cells[i].table, cells[i].key, cells[i].column), cells[i].value))
			ff_test_note(t, "%s.%s", cells[i].table, cells[i].column);
	}
}

static const ff_case table[] = {
	CASE(store_outlives_its_handles, "FF-MT-2", FF_CASE_SECOND_HANDLE),
	CASE(answer_outlives_its_process, "FF-RU-12", FF_CASE_SECOND_HANDLE | FF_CAP_DURABLE_COMMIT),
	CASE(answer_rests_on_one_that_may_be_lost, "FF-RU-12", FF_CASE_SECOND_HANDLE | FF_CAP_DURABLE_COMMIT),
	CASE(child_opens_and_closes, "FF-ERR-6", FF_CASE_MISSING_STORE),
	CASE(aborted_writes_leave_nothing, "FF-ERR-2", FF_CASE_SECOND_HANDLE),
	CASE(missing_store, "FF-MT-2", FF_CASE_MISSING_STORE),
	CASE(read_only_reads_and_writes_nothing, "FF-MT-2 FF-ERR-3", FF_CASE_SECOND_HANDLE),
	CASE(nothing_is_printed, "FF-ERR-1", 0),
	CASE(descriptors_are_the_stores_own, "FF-ERR-1", 0),
	CASE(older_schema_is_migrated, "FF-MT-2", FF_CASE_SECOND_HANDLE),
	CASE(newer_schema_is_left_untouched, "FF-MT-2", FF_CASE_SECOND_HANDLE),
	CASE(rows_come_back_as_they_were_put, "FF-MT-2 FF-LIM-2", FF_CASE_SECOND_HANDLE),
	CASE(rows_are_named_as_documented, "FF-MT-2", FF_CASE_SECOND_HANDLE),
};

FAMILY(ffp_cases_store, table);
