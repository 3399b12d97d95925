/* Exports and imports whose host, store or neighbour fails them. */
#include "engine.h"
#include "move.h"
#include "tests.h"

/* ---- export ------------------------------------------------------------------------------------------------- */

typedef struct unwilling {
	ff_code code;
	unsigned asked;
	bool silent;
	bool relents; /* it takes the first line, of which it has said that it will not */
} unwilling;

static ff_code refuse_lines(void *context, const char *line, size_t size, ff_error *error)
{
	unwilling *host = context;
	(void)line;
	(void)size;
	if (host->asked++ == 0 && host->relents) {
		ff_error_set(error, host->code, "it was nothing");
		return FF_OK;
	}
	return host->silent ? host->code : ff_error_set(error, host->code, "the host has its reasons");
}

/* Whatever it answers is the end: contention that is the host's own is not tried again as the store's would be. */
static void export_whose_writer_fails(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	static const ff_code codes[] = { FF_E_IO, FF_E_BUSY, FF_E_CONFLICT, FF_E_DEADLINE, (ff_code)77 };
	for (size_t i = 0; i < COUNT_OF(codes); i++) {
		unwilling host = { .code = codes[i] };
		FF_CHECK_CODE(t, ff_engine_export(e, 0, refuse_lines, &host, ff_test_error(t)), codes[i]);
		FF_CHECK_EQ_INT(t, ff_test_error(t)->code, codes[i]);
		FF_CHECK_STR(t, ff_test_error(t)->message, "the host has its reasons");
		FF_CHECK_STR(t, ff_test_error(t)->operation, "export");
		FF_CHECK_EQ_INT(t, host.asked, 1);
	}
	FF_CHECK_EQ_INT(t, ff_test_sleeps(t), 0);
	/* what the store said of a try before is not taken for the host's word */
	unwilling silent = { .code = FF_E_BUSY, .silent = true };
	e = ffp_open_faulty(t, NULL);
	ffp_fault_set(FFP_SLOT_LOAD, 1, FF_E_BUSY);
	FF_CHECK_CODE(t, ff_engine_export(e, 0, refuse_lines, &silent, ff_test_error(t)), FF_E_BUSY);
	FF_CHECK_STR(t, ff_test_error(t)->message, "writing line 1 failed");
	/* nor is what the host said of a line that it took */
	FF_CHECK_STR(t, ffp_report(t, e, "c", "", "a=1"), "ok");
	silent = (unwilling){ .code = FF_E_BUSY, .silent = true, .relents = true };
	FF_CHECK_CODE(t, ff_engine_export(e, 0, refuse_lines, &silent, ff_test_error(t)), FF_E_BUSY);
	FF_CHECK_STR(t, ff_test_error(t)->message, "writing line 2 failed");
}

/* ---- import ------------------------------------------------------------------------------------------------- */

/* The line of the context, and what it has said of one that it gives is not taken for its word when none is left. */
static ff_code fail_without_a_word(void *context, const char **line, size_t *size, ff_error *error)
{
	const char **next = context;
	if (!*next)
		return FF_E_IO;
	*line = *next;
	*size = strlen(*next);
	*next = NULL;
	ff_error_set(error, FF_E_IO, "it was nothing");
	return FF_OK;
}

static ff_code fail_in_a_word(void *context, const char **line, size_t *size, ff_error *error)
{
	(void)context;
	(void)line;
	(void)size;
	return ff_error_set(error, FF_E_IO, "the tape is torn");
}

/* There is no line, and no failure, whatever is said of it. */
static ff_code end_with_a_word(void *context, const char **line, size_t *size, ff_error *error)
{
	(void)context;
	(void)line;
	(void)size;
	ff_error_set(error, FF_E_IO, "it was nothing");
	return FF_OK;
}

static void import_whose_reader_fails(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	const char *line = NULL;
	uint64_t imported = 77;
	memset(ff_test_error(t), 0xff, sizeof(ff_error));
	FF_CHECK_CODE(t, ff_engine_import(e, fail_without_a_word, &line, &imported, ff_test_error(t)), FF_E_IO);
	FF_CHECK_EQ_INT(t, imported, 0);
	FF_CHECK_EQ_INT(t, ff_test_error(t)->code, FF_E_IO);
	FF_CHECK_STR(t, ff_test_error(t)->operation, "import");
	FF_CHECK_STR(t, ff_test_error(t)->message, "reading line 1 failed");
	line = "{\"budget_id\":\"b\",\"current_value\":1,\"dimensions_key\":\"a\",\"period\":0,"
	       "\"table\":\"ff_budget_usage\",\"updated_at_ms\":0}";
	FF_CHECK_CODE(t, ff_engine_import(e, fail_without_a_word, &line, &imported, ff_test_error(t)), FF_E_IO);
	FF_CHECK_STR(t, ff_test_error(t)->message, "reading line 2 failed");
	FF_CHECK_CODE(t, ff_engine_import(e, fail_in_a_word, NULL, NULL, ff_test_error(t)), FF_E_IO);
	FF_CHECK_STR(t, ff_test_error(t)->message, "the tape is torn");
	FF_CHECK_CODE(t, ff_engine_import(e, fail_in_a_word, NULL, NULL, NULL), FF_E_IO);
	FF_REQUIRE_OK(t, ff_engine_import(e, end_with_a_word, NULL, NULL, ff_test_error(t)));
	FF_CHECK_STR(t, ffp_import(t, e, "{\n"), "!invalid");
	FF_CHECK_STR(t, ff_test_error(t)->message, "line 1 has text that is not JSON");
}

/* Whichever load it is: of the store that is to be empty, or of the check that ends it. */
static void import_whose_store_fails(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	bool failed = true;
	unsigned loads = 0;
	for (; failed && loads < 100; loads++) {
		ffp_fault_set(FFP_SLOT_LOAD, loads + 1, FF_E_IO);
		failed = *ffp_import(t, e, "") == '!';
		if (failed && !FF_CHECK_STR(t, ff_test_error(t)->message, "a fault that was planned"))
			ff_test_note(t, "load %u", loads + 1);
	}
	FF_CHECK(t, loads > 2 && loads < 100);
}

static void import_refuses_a_row_twice(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	const char *lines = ffp_export(t, e, 0);
	ffp_fake_wipe(ffp_fake_of(t));
	const char *row = ffp_rows_of(t, lines);
	FF_CHECK_STR(t, ffp_import(t, e, ffp_export_of(t, ff_test_text(t, "%s%s", row, row))), "!invalid");
	FF_CHECK_STR(t, ff_test_error(t)->message, "line 2 repeats a row");
	FF_CHECK_STR(t, ffp_import(t, e, lines), "2");
}

/* Who has looked, and found none, looks again where somebody has written since. Who cannot tell that looks once. */
static void import_of_another_engine_is_noticed(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	ff_engine *other = ff_test_open(t, NULL);
	ff_engine *far = ff_test_open_uri(t, ff_test_text(t, "far%s", strchr(ff_test_uri(t), ':')), NULL);
	FF_CHECK_STR(t, ffp_tick(t, other, 0, 0), "resets=0 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_import(t, e, "x\n"), "!invalid");
	FF_CHECK_STR(t, ffp_report(t, other, "b", "", "a=1"), "!misuse");
	FF_CHECK_STR(t, ffp_report(t, far, "b", "", "a=1"), "!misuse");
	FF_CHECK_STR(t, ffp_import(t, e, ""), "0");
	FF_CHECK_STR(t, ffp_report(t, other, "b", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, far, "b", "", "a=1"), "ok");
}

/* The row of an unfinished import that cannot be read is written anew by the next one. */
static void import_replaces_a_corrupt_mark(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	ffp_fake *fake = ffp_fake_of(t);
	const ffp_sweep_row mark = { .row.state = FF_ROW_CORRUPT,
		                     .work = BYTES(FFP_IMPORT_WORK),
		                     .last_text_2 = BYTES("garbage") };
	ffp_fake_put(fake, FFP_SWEEP, &mark.row);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!misuse");
	FF_CHECK_STR(t, ffp_import(t, e, "x\n"), "!invalid");
	FF_CHECK_STR(t, ffp_fake_broken(fake), "");
	FF_CHECK(t, !strstr(ffp_fake_dump(t, fake), "garbage"));
	FF_CHECK_STR(t, ffp_import(t, e, ""), "0");
	FF_CHECK_STR(t, ffp_fake_dump(t, fake), "");
}

static uint64_t poor_random(void *context)
{
	(void)context;
	return 4;
}

typedef struct one_engine {
	ff_test *test;
	ff_engine *engine;
} one_engine;

/* Reads no line before two others have begun: one of no lines, which gives this one up, and one that does not end. */
static ff_code begin_others(void *context, const char **line, size_t *size, ff_error *error)
{
	const one_engine *of = context;
	(void)size;
	(void)error;
	FF_CHECK_STR(of->test, ffp_import(of->test, of->engine, ""), "0");
	FF_CHECK_STR(of->test, ffp_import(of->test, of->engine, "x\n"), "!invalid");
	*line = NULL;
	return FF_OK;
}

/* Also where all three are one engine's, in one instant, and what the host gives for random is not. */
static void imports_of_one_engine_are_told_apart(ff_test *t)
{
	const ff_random random = { .next = poor_random };
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.random = &random;
	ff_engine *e = ff_test_open(t, &options);
	one_engine of = { t, e };
	FF_CHECK_CODE(t, ff_engine_import(e, begin_others, &of, NULL, ff_test_error(t)), FF_E_MISUSE);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!misuse"); /* the last one is not finished */
}

/* An import whose place another one has taken does not end that one. */
static void import_ends_no_other(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	const ffp_sweep_row other = { .work = BYTES(FFP_IMPORT_WORK), .last_number = 5 };
	ffp_fake_put(ffp_fake_of(t), FFP_SWEEP, &other.row);
	ffp_import_slice slice = { .ends = true, .mark = 4 };
	ff_call call = { .error = ff_test_error(t) };
	ffp_request request = { .op = &ffp_op_import, .call = &call, .error = call.error, .import = &slice };
	FF_CHECK_CODE(t, ffp_queue_run(e, &request, 1, ff_test_error(t)), FF_OK);
	FF_CHECK_CODE(t, call.code, FF_E_MISUSE);
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_SWEEP), 1);
	slice.mark = 5;
	FF_CHECK_CODE(t, ffp_queue_run(e, &request, 1, ff_test_error(t)), FF_OK);
	FF_CHECK_CODE(t, call.code, FF_OK);
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_SWEEP), 0);
}

static const ff_case cases[] = {
	CASE(export_whose_writer_fails, "FF-MT-3", 0),
	CASE(import_whose_reader_fails, "FF-MT-3", 0),
	CASE(import_whose_store_fails, "FF-MT-3", 0),
	CASE(import_refuses_a_row_twice, "FF-MT-3", 0),
	CASE(import_of_another_engine_is_noticed, "FF-MT-5", 0),
	CASE(import_replaces_a_corrupt_mark, "FF-MT-3", 0),
	CASE(imports_of_one_engine_are_told_apart, "FF-MT-3", 0),
	CASE(import_ends_no_other, "FF-MT-5", 0),
};

FAMILY(ffp_tests_move, cases);
