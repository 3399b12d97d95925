/*
 * Storage that fails below the slots: no file may grow any more. No backend is asked to fail and none knows, so it shows
 * what a backend makes of a write that its storage refused.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"

enum { CALLS_MAX = 300, FURTHER = 4, DIMENSIONS = 40, ROOM = 128 << 10, SECONDS_MAX = 60 };

/* Of a child, in memory that it shares with its parent. */
typedef struct told {
	ff_code codes[CALLS_MAX + 1]; /* of the charges, in turn; the last when there is room again */
	unsigned calls;
	ff_code limited; /* whether files could be kept from growing */
	ff_code read;    /* of a read while they are */
} told;

/* ---- charges ------------------------------------------------------------------------------------------------ */

/* One of many rows, so that few of them need much room, and its text. */
static const char *amounts(ff_test *t)
{
	char text[DIMENSIONS * 64] = "";
	size_t used = 0;
	for (int i = 0; i < DIMENSIONS; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%sa_dimension_of_a_long_name_%02d=1",
		                         i ? " " : "", i);
	return ff_test_text(t, "%s", text);
}

static const char *name_of(ff_test *t, const char *what, unsigned i)
{
	return ff_test_text(t, "%s_of_a_name_that_takes_some_room_in_every_row_%u", what, i);
}

static ff_code charge(ff_test *t, ff_engine *e, unsigned i)
{
	const ffp_amounts *list = ffp_amounts_of(t, amounts(t));
	const ff_report report = { .budget_id = name_of(t, "budget", i),
		                   .amounts = list->list,
		                   .amounts_count = list->count,
		                   .idempotency_key = name_of(t, "key", i) };
	return ff_engine_report_usage(e, &report, &(ff_outcome){ 0 }, NULL);
}

/* ---- a process whose files may not grow --------------------------------------------------------------------- */

static _Thread_local off_t largest;

static int measure(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)path;
	(void)kind;
	(void)walk;
	if (status->st_size > largest)
		largest = status->st_size;
	return 0;
}

/* From here on no file grows past so many bytes. */
static ff_code limit_files(rlim_t most)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_FSIZE, &limit))
		return FF_E_IO;
	limit.rlim_cur = most < limit.rlim_max ? most : limit.rlim_max;
	return setrlimit(RLIMIT_FSIZE, &limit) ? FF_E_IO : FF_OK;
}

/* Or by much. */
static ff_code limit_growth(ff_test *t)
{
	largest = 0;
	ffp_files_walk(ff_test_path(t, ff_test_uri(t)), measure);
	return signal(SIGXFSZ, SIG_IGN) == SIG_ERR ? FF_E_IO : limit_files((rlim_t)largest + ROOM);
}

/* A store may have to be opened anew for it, but not by a process that is. */
static ff_code charge_with_room(ff_test *t, ff_engine *e, const char *uri, unsigned i)
{
	const ff_code code = charge(t, e, i);
	if (code == FF_OK)
		return code;
	ff_test_undo(t, e);
	return charge(t, ff_test_open_uri(t, uri, NULL), i);
}

/* Charges until a charge fails, some more, and once when there is room again. Nobody else has the store, so none need wait: a
 * lock that the failed one kept is told of at once. Ends without a close: what was answered must hold as it is. */
static void run_out_of_room(ff_test *t, told *to)
{
	const char *uri = ff_test_given(t) & FF_CASE_NO_WAITING ? ff_test_impatient_uri(t) : ff_test_uri(t);
	ff_engine *e = ff_test_open_uri(t, uri, NULL);
	unsigned left = CALLS_MAX;
	for (; left && to->calls < CALLS_MAX; left--) {
		const ff_code code = charge(t, e, to->calls);
		to->codes[to->calls++] = code;
		if (to->calls == 1)
			to->limited = limit_growth(t);
		if (code && left > FURTHER)
			left = FURTHER + 1;
	}
	const ff_budget_status *status = NULL;
	to->read = ff_engine_get_budget_status(e, name_of(t, "budget", 0), &status, NULL);
	to->limited = to->limited ? to->limited : limit_files(RLIM_INFINITY);
	to->codes[to->calls] = charge_with_room(t, e, uri, to->calls);
	to->calls++;
}

static void leave(void *object)
{
	(void)object;
	_exit(1);
}

/* The child is begun before the case opens anything: a backend may refuse a store to copies of a process that has it
 * open. */
static void in_a_child(ff_test *t, told *to)
{
	const pid_t child = fork();
	FF_REQUIRE(t, child >= 0);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGALRM, SIG_DFL);
		alarm(SECONDS_MAX);
		ff_test_defer(t, leave, to);
		run_out_of_room(t, to);
		_exit(0);
	}
	int status = -1;
	FF_REQUIRE(t, waitpid(child, &status, 0) == child);
	if (!FF_CHECK_EQ_INT(t, status, 0))
		ff_test_note(t, "%u calls ended", to->calls);
}

static void unmap(void *object)
{
	munmap(object, sizeof(told));
}

/* ---- the case ----------------------------------------------------------------------------------------------- */

static bool is_of_storage(ff_code code)
{
	return code == FF_E_FULL || code == FF_E_IO || code == FF_E_COMMIT_UNKNOWN;
}

static void check_codes(ff_test *t, const told *to)
{
	for (unsigned i = 0; i < to->calls; i++) {
		if (!FF_CHECK(t, !to->codes[i] || is_of_storage(to->codes[i])))
			ff_test_note(t, "charge %u of %u: %s", i, to->calls, ff_code_name(to->codes[i]));
	}
	if (!FF_CHECK(t, !to->read || to->read == FF_E_NOT_FOUND || is_of_storage(to->read)))
		ff_test_note(t, "a read behind them: %s", ff_code_name(to->read));
}

/* Whether what was acknowledged outlives a process that ends without a close: the store keeps some of it where it says
 * so, or shows it to other processes. */
static bool is_kept(ff_test *t, ff_engine *e)
{
	ff_engine_info info = { 0 };
	FF_REQUIRE_OK(t, ff_engine_get_info(e, &info, ff_test_error(t)));
	return info.durability != FF_DURABILITY_NONE || info.caps & FF_CAP_MULTI_PROCESS;
}

/* What was acknowledged is there, what was refused is not, and in either case a charge that is sent again is made once. */
static void check_charge(ff_test *t, ff_engine *e, const told *to, unsigned i)
{
	const char *budget = name_of(t, "budget", i), *key = name_of(t, "key", i);
	const char *answer = ffp_report(t, e, budget, key, amounts(t));
	bool held = true;
	if (to->codes[i] == FF_OK && is_kept(t, e))
		held = FF_CHECK_STR(t, answer, "ok replayed");
	else if (to->codes[i] && to->codes[i] != FF_E_COMMIT_UNKNOWN)
		held = FF_CHECK_STR(t, answer, "ok");
	held = FF_CHECK_STR(t, ffp_create(t, e, budget, ""), "created") && held;
	held = FF_CHECK_STR(t, ffp_usage(t, e, budget), amounts(t)) && held;
	if (!held)
		ff_test_note(t, "charge %u of %u answered %s", i, to->calls, ff_code_name(to->codes[i]));
}

static void fail_by_problem(void *context, const char *text)
{
	ff_test *t = context;
	FF_CHECK_STR(t, text, "");
}

static void storage_that_takes_no_more(ff_test *t)
{
	told *to = mmap(NULL, sizeof(*to), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	FF_REQUIRE(t, to != MAP_FAILED);
	ff_test_defer(t, unmap, to);
	in_a_child(t, to);
	FF_REQUIRE(t, to->calls > 0);
	FF_CHECK_EQ_INT(t, to->limited, FF_OK);
	FF_CHECK_EQ_INT(t, to->codes[0], FF_OK);
	FF_CHECK_EQ_INT(t, to->codes[to->calls - 1], FF_OK);
	check_codes(t, to);
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_CODE(t, ff_engine_check(e, fail_by_problem, t, ff_test_error(t)), FF_OK);
	for (unsigned i = 0; i < to->calls; i++)
		check_charge(t, e, to, i);
	FF_CHECK_CODE(t, ff_engine_check(e, fail_by_problem, t, ff_test_error(t)), FF_OK);
}

static const ff_case table[] = {
	CASE(storage_that_takes_no_more, "FF-ERR-2 FF-RU-12", FF_CASE_SECOND_HANDLE | FF_CASE_FILES),
};

FAMILY(ffp_cases_disk, table);
