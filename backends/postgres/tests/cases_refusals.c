/* What a refusal means, what a rollback that fails has to say, and where memory is out. */
#include "postgres_test.h"

#include <stdio.h>

/* ---- refusals ----------------------------------------------------------------------------------------------- */

static const struct refusal {
	const char *state;
	ff_code code;
	bool retryable, anew;
} refusals[] = {
	{ "08006", FF_E_IO, true, false },       { "0A000", FF_E_IO, true, true },
	{ "22012", FF_E_CONFLICT, true, false }, { "22P02", FF_E_IO, false, false },
	{ "23505", FF_E_CONFLICT, true, false }, { "23502", FF_E_IO, false, false },
	{ "25006", FF_E_IO, true, true },        { "25P02", FF_E_IO, true, true },
	{ "25P03", FF_E_CONFLICT, true, false }, { "26000", FF_E_IO, true, true },
	{ "28000", FF_E_IO, false, false },      { "3D000", FF_E_IO, false, false },
	{ "3F000", FF_E_CORRUPT, false, false }, { "40001", FF_E_CONFLICT, true, false },
	{ "40P01", FF_E_CONFLICT, true, false }, { "42501", FF_E_IO, false, false },
	{ "42P05", FF_E_IO, true, true },        { "42P01", FF_E_CORRUPT, false, true },
	{ "53100", FF_E_FULL, false, false },    { "53200", FF_E_IO, false, false },
	{ "53300", FF_E_BUSY, true, false },     { "55P03", FF_E_BUSY, true, false },
	{ "57014", FF_E_IO, true, false },       { "57P01", FF_E_IO, true, false },
	{ "P0001", FF_E_IO, false, false },      { "XX000", FF_E_IO, false, true },
	{ "XX001", FF_E_CORRUPT, false, false }, { "XX002", FF_E_CORRUPT, false, false },
};

static void refuse_with(ff_test *t, const char *state)
{
	run_sql(t, ff_test_text(t,
	                        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
	                        " RAISE 'pid %%', pg_backend_pid() USING ERRCODE = '%s', HINT = 'the hint'; END$$;"
	                        "DROP TRIGGER IF EXISTS refuse ON item;"
	                        "CREATE TRIGGER refuse BEFORE UPDATE ON item EXECUTE FUNCTION refuse()",
	                        state));
}

/* What a statement is refused with, by SQLSTATE: the code, whether to send the call again, and over which connection, which
 * the message tells apart. The hint is shown where memory is out. */
static void check_refusal(ff_test *t, ffp_raw *raw, const struct refusal *of)
{
	const ff_error *error = ff_test_error(t);
	char first[sizeof(error->message)];
	refuse_with(t, of->state);
	bool told = FF_CHECK_CODE(t, try_add(t, raw, NULL), of->code);
	snprintf(first, sizeof(first), "%s", error->message);
	told &= FF_CHECK_CODE(t, try_add(t, raw, NULL), of->code);
	told &= FF_CHECK_STR(t, error->native_code, of->state);
	told &= FF_CHECK_EQ_INT(t, error->retryable, of->retryable);
	told &= FF_CHECK_EQ_INT(t, strcmp(error->message, first) != 0, of->anew);
	told &= FF_CHECK_EQ_INT(t, strstr(error->message, ": the hint") != NULL, !strcmp(of->state, "53200"));
	if (!told)
		ff_test_note(t, "refused with %s: %s", of->state, error->message);
}

static void a_refusal_is_told_by_its_state(ff_test *t)
{
	ffp_raw *raw = open_with(t, "");
	FF_CHECK_EQ_INT(t, add(t, raw), 1);
	for (size_t i = 0; i < COUNT(refusals); i++)
		check_refusal(t, raw, &refusals[i]);
}

/* Rows that are of other columns than a connection knows are those of another one, unless that says so, too. */
static void rows_of_another_make(ff_test *t)
{
	ffp_raw *raw = open_with(t, "");
	FF_CHECK_EQ_INT(t, add(t, raw), 1);
	refuse_with(t, "42804");
	FF_CHECK_CODE(t, try_add(t, raw, NULL), FF_E_CONFLICT);
	FF_CHECK_CODE(t, try_add(t, raw, NULL), FF_E_CORRUPT);
	FF_CHECK(t, !ff_test_error(t)->retryable);
}

/* With a load or without. */
static void each_transaction_looks_at_the_schemas_version(ff_test *t)
{
	static const char *const changes[] = { "UPDATE ff_schema SET version = 2",
		                               "UPDATE ff_schema SET version = 1; INSERT INTO ff_schema VALUES (1)" };
	ffp_raw *raw = open_with(t, "");
	FF_CHECK_EQ_INT(t, add(t, raw), 1);
	for (size_t i = 0; i < COUNT(changes); i++) {
		run_sql(t, changes[i]);
		FF_CHECK_CODE(t, try_add_to(t, raw, 1), FF_E_CONFLICT);
		FF_CHECK_CODE(t, try_add(t, raw, NULL), FF_E_IO);
	}
	run_sql(t, "DELETE FROM ff_schema; INSERT INTO ff_schema VALUES (1)");
	FF_CHECK_CODE(t, try_add_to(t, raw, 1), FF_OK);
	FF_CHECK_EQ_INT(t, add(t, raw), 3);
}

enum { MANY = 20000 };

static void write_many(ff_test *t, ffp_raw *raw, const item *before, const item *after)
{
	ff_write *writes = ff_test_alloc(t, MANY * sizeof(*writes));
	for (int i = 0; i < MANY; i++)
		writes[i] = (ff_write){ .table = item_table(),
			                .kind = after ? FF_WRITE_PUT : FF_WRITE_DELETE,
			                .before = before ? &before[i].row : NULL,
			                .after = after ? &after[i].row : NULL };
	FF_CHECK_CODE(t, store_and_commit(t, ffp_slots_begin(t, raw, FF_TXN_WRITE), writes, MANY), FF_OK);
}

/* The order of the keys is another than that of the reads. */
static void check_many(ff_test *t, ffp_raw *raw, const item *rows)
{
	ff_read *reads = ff_test_alloc(t, MANY * sizeof(*reads));
	int right = 0;
	for (int i = 0; i < MANY; i++)
		reads[i] = (ff_read){ .table = item_table(), .kind = FF_READ_GET, .low = &rows[i].row };
	ffp_slots_load(t, ffp_slots_begin(t, raw, FF_TXN_READ), reads, MANY);
	for (int i = 0; i < MANY; i++)
		right += reads[i].row && ((const item *)(const void *)reads[i].row)->value == rows[i].value;
	FF_CHECK_EQ_INT(t, right, MANY);
}

/* However many rows a batch has, the server lets none of its statements run for longer than it may. */
static void many_rows_are_written_by_statements_on_some(ff_test *t)
{
	item *rows = ff_test_alloc(t, MANY * sizeof(*rows)), *next = ff_test_alloc(t, MANY * sizeof(*next));
	ffp_raw *raw = open_with(t, "");
	run_sql(t, "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF (SELECT count(*) FROM n) > 8192"
	           " THEN RAISE 'too many'; END IF; RETURN NULL; END$$;"
	           "CREATE TRIGGER i AFTER INSERT ON item REFERENCING NEW TABLE AS n EXECUTE FUNCTION f();"
	           "CREATE TRIGGER u AFTER UPDATE ON item REFERENCING NEW TABLE AS n EXECUTE FUNCTION f();"
	           "CREATE TRIGGER d AFTER DELETE ON item REFERENCING OLD TABLE AS n EXECUTE FUNCTION f()");
	for (int i = 0; i < MANY; i++) {
		rows[i] = (item){ .id = ffp_text_of(ff_test_text(t, "%d", MANY - i)), .value = i };
		next[i] = rows[i];
		next[i].value += MANY;
	}
	write_many(t, raw, NULL, rows);
	check_many(t, raw, rows);
	write_many(t, raw, rows, next);
	check_many(t, raw, next);
	write_many(t, raw, next, NULL);
	run_sql(t, "SELECT 1 / (count(*) = 0)::int FROM item");
}

/* ---- rollbacks ---------------------------------------------------------------------------------------------- */

static void roll_back(ff_test *t, ffp_raw *raw)
{
	ffp_slots_abort(t, hold(t, raw, "x", GETS));
}

/* A commit that the server refuses, and with it goes the statement that would roll back, or the name that it would get. */
static void lose_rollback(ff_test *t, ffp_raw *raw, const char *how)
{
	run_sql(t, ff_test_text(t,
	                        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN %s RAISE 'no'; END$$;"
	                        "CREATE CONSTRAINT TRIGGER t AFTER UPDATE ON item INITIALLY DEFERRED FOR EACH ROW"
	                        " EXECUTE FUNCTION f()",
	                        how));
	FF_CHECK(t, try_add(t, raw, NULL) != FF_OK);
	FF_CHECK_STR(t, ff_test_error(t)->native_code, "P0001");
	run_sql(t, "DROP TRIGGER t ON item");
}

/* With nothing to roll back that is no failure of what is sent with it. Where there is something, that has another
 * connection. Both are done once. */
static void a_rollback_that_is_gone(ff_test *t)
{
	ffp_raw *raw = open_with(t, "");
	FF_CHECK_EQ_INT(t, add(t, raw), 1);
	roll_back(t, raw);
	lose_rollback(
	    t, raw, "EXECUTE (SELECT 'DEALLOCATE ' || name FROM pg_prepared_statements WHERE statement = 'ROLLBACK');");
	FF_CHECK_CODE(t, try_add_to(t, raw, 1), FF_OK);
	FF_CHECK_EQ_INT(t, add(t, raw), 3);
	roll_back(t, raw);
	FF_CHECK_CODE(t, try_add_to(t, raw, 3), FF_OK);
	FF_CHECK_EQ_INT(t, add(t, raw), 5);
}

/* On a connection that has had nothing to roll back. Once there is something, no other statement of that name is sent. */
static void a_rollback_that_cannot_be_prepared(ff_test *t)
{
	ffp_raw *raw = open_with(t, "");
	FF_CHECK_EQ_INT(t, add(t, raw), 1);
	FF_CHECK_CODE(t, try_add_to(t, raw, 1), FF_OK);
	lose_rollback(t, raw,
	              "FOR i IN 0..99 LOOP BEGIN EXECUTE"
	              " format('PREPARE ff%s_%s AS SELECT 1', current_setting('ff.session'), i);"
	              " EXCEPTION WHEN duplicate_prepared_statement THEN NULL; END; END LOOP;");
	FF_CHECK_CODE(t, try_add_to(t, raw, 2), FF_OK);
	FF_CHECK_EQ_INT(t, add(t, raw), 4);
	roll_back(t, raw);
	FF_CHECK_CODE(t, touch(t, open_with(t, ""), "x", GETS), FF_OK);
	FF_CHECK_CODE(t, try_add_to(t, raw, 4), FF_OK);
}

/* ---- memory ------------------------------------------------------------------------------------------------- */

/* So many times there is memory, and then once there is none; < 0: there always is. */
static struct {
	const ff_allocator *host;
	int64_t left;
} memory;

static void *resize(void *context, void *old, size_t old_size, size_t size)
{
	(void)context;
	return size && memory.left >= 0 && memory.left-- == 0
	           ? NULL
	           : memory.host->resize(memory.host->context, old, old_size, size);
}

/* Wherever it is out, once, nothing is written. What the connection has by then is kept, and what it lacked is what it
 * asks for first the next time. */
static void memory_for_a_connection_may_be_out_anywhere(ff_test *t)
{
	static const ff_allocator allocator = { resize, NULL };
	ffp_raw *raw = open_with(t, "");
	unsigned lacked = 0;
	ff_code code = FF_E_NO_MEMORY;
	FF_CHECK_EQ_INT(t, add(t, raw), 1);
	ffp_slots_begin(t, raw, FF_TXN_READ); /* on the connection that there is, which has its memory */
	memory.host = raw->store->allocator;
	memory.left = -1;
	raw->store->allocator = &allocator;
	ffp_slots_abort(t, ffp_slots_begin(t, raw, FF_TXN_WRITE));
	for (unsigned i = 0; code == FF_E_NO_MEMORY && i < 100; i++) {
		memory.left = i > 0;
		code = try_add(t, raw, NULL);
		lacked += code == FF_E_NO_MEMORY;
	}
	memory.left = -1;
	FF_CHECK_CODE(t, code, FF_OK);
	FF_CHECK(t, lacked > 0);
	FF_CHECK_EQ_INT(t, add(t, raw), 3);
}

/* An arena that says once that memory is out. */
typedef struct scarce {
	ff_arena arena;
	ff_test *test;
	unsigned left; /* takes until then */
} scarce;

static void *grow_scarce(ff_arena *arena, size_t size)
{
	scarce *of = (scarce *)(void *)arena;
	return of->left-- == 0 ? NULL : ff_test_alloc(of->test, size);
}

/* Of the one row. */
static void memory_for_rows_may_be_out_anywhere_in_a_load(ff_test *t)
{
	const item x = x_of(1);
	ffp_raw *raw = open_with(t, "");
	FF_CHECK_EQ_INT(t, add(t, raw), 1);
	for (ff_read_kind kind = FF_READ_GET; kind <= FF_READ_RANGE; kind++) {
		ff_read read = { .table = item_table(), .kind = (uint8_t)kind, .low = &x.row, .limit = 1 };
		unsigned lacked = 0;
		ff_code code = FF_E_NO_MEMORY;
		for (unsigned i = 0; code == FF_E_NO_MEMORY && i < 10; i++) {
			scarce of = { .arena = { .grow = grow_scarce }, .test = t, .left = i };
			ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_READ);
			code = raw->backend->load(txn->txn, &of.arena, &read, 1, ffp_raw_error(t));
			ffp_raw_check_told(t, code);
			lacked += code == FF_E_NO_MEMORY;
			ffp_slots_abort(t, txn);
		}
		FF_CHECK_CODE(t, code, FF_OK);
		FF_CHECK(t, lacked > 0);
		const ff_row *row = kind == FF_READ_GET || !read.rows_count ? read.row : read.rows[0];
		FFP_CHECK_ROW(t, item_table(), row, &x.row);
	}
}

static const ff_case cases[] = {
	CASE(a_refusal_is_told_by_its_state, "FF-ERR-1", 0),
	CASE(rows_of_another_make, "FF-ERR-1 FF-ERR-4", 0),
	CASE(each_transaction_looks_at_the_schemas_version, "", 0),
	CASE(many_rows_are_written_by_statements_on_some, "", FF_CASE_BULK),
	CASE(a_rollback_that_is_gone, "", 0),
	CASE(a_rollback_that_cannot_be_prepared, "", 0),
	CASE(memory_for_a_connection_may_be_out_anywhere, "", 0),
	CASE(memory_for_rows_may_be_out_anywhere_in_a_load, "", 0),
};
FAMILY(cases_refusals, cases);
