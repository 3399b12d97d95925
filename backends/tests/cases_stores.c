/* Stores in files: what any backend that has them does with its path, its durability and the process's descriptors. */
#include <ctype.h>
#include <fcntl.h>
#include <strings.h>
#include <unistd.h>

#include "test.h"

static void durability_is_what_was_asked_for(ff_test *t)
{
	static const char *const durabilities[][3] = {
		[FF_DURABILITY_FULL] = { "durability", "full", NULL },
		[FF_DURABILITY_NORMAL] = { "durability", "normal", NULL },
		[FF_DURABILITY_NONE] = { "durability", "none", NULL },
	};
	ff_store *store;
	ff_store_limits limits;
	for (int i = FF_DURABILITY_FULL; i <= FF_DURABILITY_NONE; i++) {
		FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, durabilities[i], &store));
		FF_REQUIRE_OK(t, subject.backend->limits(store, &limits, ff_test_error(t)));
		FF_CHECK_EQ_INT(t, limits.durability, i);
		FF_CHECK_EQ_INT(t, (limits.caps & FF_CAP_DURABLE_COMMIT) != 0, i == FF_DURABILITY_FULL);
		FF_CHECK(t, (limits.caps & FF_CAP_MULTI_PROCESS) && (limits.caps & FF_CAP_SNAPSHOT_READ));
		size_t length = strlen(subject.backend->name);
		FF_CHECK(t, strncasecmp(limits.version, subject.backend->name, length) == 0);
		FF_CHECK(t, strspn(limits.version + length, " ") == 1 &&
		                isdigit((unsigned char)limits.version[length + 1]));
		close_store(store);
	}
}

static void a_relative_path_stays_where_it_was(ff_test *t)
{
	char before[4096];
	FF_REQUIRE(t, getcwd(before, sizeof(before)) && chdir(directory(t)) == 0);
	ff_store *store = must_open(t, "file:a.db?mode=ro&x=%41");
	FF_REQUIRE(t, chdir("/") == 0);
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1);
	close_store(store);
	FF_CHECK(t, file_exists(data_of(t, path_of(t, "file:a.db?mode=ro&x=%41"))));
	FF_CHECK_EQ_INT(t, count_files(t), 1);
	FF_CHECK(t, chdir(before) == 0);
}

/* A row that a range brings and that is not found by its key is damage, and no race that others won: nobody else writes
 * within the transaction. */
static void a_row_that_its_key_does_not_find(ff_test *t)
{
	const char *path = path_of(t, "a.db");
	const char *uri = ff_test_text(t, "%s:%s", subject.backend->name, path);
	ff_engine *e = ff_test_open_uri(t, uri, NULL);
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=1 b=2 c=3"), "ok");
	ff_test_undo(t, e);
	subject.turn_round(t, path, "ff_budget_usage_by_exec");
	e = ff_test_open_uri(t, uri, NULL);
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "!corrupt"); /* which deletes each */
	FF_CHECK(t, strstr(ff_test_error(t)->message, "by its key") != NULL);
	FF_CHECK_EQ_INT(t, ff_test_sleeps(t), 0);
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "y", "", "a=1"), "ok"); /* another's rows are sound */
	FF_CHECK_STR(t, ffp_release(t, e, "b", "y"), "a=1");
}

/* ---- descriptors --------------------------------------------------------------------------------------------- */

/* A process without standard input, output and error prints into nobody's files. */
static int open_without_standard(ff_test *t, int number)
{
	ff_store *store;
	(void)number;
	int out = dup(STDOUT_FILENO);
	for (int i = 0; i < 3; i++)
		close(i);
	ff_code code = open_store(t, path_of(t, "a.db"), &catalog_v1, 0, NULL, &store);
	unsigned files = files_at_standard();
	dup2(out, STDOUT_FILENO);
	FF_REQUIRE_OK(t, code);
	FF_CHECK_EQ_INT(t, files, 0);
	close_store(store);
	return 0;
}

static void a_process_that_closed_its_standard_files(ff_test *t)
{
	FF_CHECK_EQ_INT(t, in_process(t, open_without_standard, 0), 0);
}

static void programs_that_are_started_have_none_of_it(ff_test *t)
{
	enum { FILES_MAX = 256 };
	unsigned open_files = 0;
	bool was_open[FILES_MAX];
	for (int file = 0; file < FILES_MAX; file++)
		was_open[file] = fcntl(file, F_GETFD) >= 0;
	ff_store *store = must_open(t, path_of(t, "a.db"));
	for (int file = 0; file < FILES_MAX; file++) {
		const int flags = fcntl(file, F_GETFD);
		if (flags < 0 || was_open[file])
			continue;
		open_files++;
		if (!FF_CHECK(t, flags & FD_CLOEXEC))
			ff_test_note(t, "descriptor %d", file);
	}
	FF_CHECK(t, open_files > 2);
	close_store(store);
}

static const ff_case cases[] = {
	CASE(durability_is_what_was_asked_for, "", 0),
	CASE(a_relative_path_stays_where_it_was, "", 0),
	CASE(a_row_that_its_key_does_not_find, "FF-ERR-4 FF-ERR-1", 0),
	CASE(a_process_that_closed_its_standard_files, "", 0),
	CASE(programs_that_are_started_have_none_of_it, "", 0),
};
FAMILY(cases_stores, cases);
