/* Processes on one store, by a backend's own slots: what they see of each other, and what one leaves that is killed. */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slots.h"

/* A process of the case's and the pipes to and from it. It is begun before the case opens anything. */
typedef struct process {
	ff_test *test;
	pid_t id;
	int to, from;
	unsigned number;
} process;

/* What failed goes to the parent, in place of what that may wait to hear. */
static void leave(void *object)
{
	const process *parent = object;
	dprintf(parent->to, "?%s", ffp_failure(parent->test));
	_exit(1);
}

/* Of a process that is gone. */
static void note_failure(const process *of)
{
	char text[1024] = "";
	const char *failure = read(of->from, text, sizeof(text) - 1) > 0 ? text + strspn(text, "!?") : "";
	if (*failure)
		ff_test_note(of->test, "process %u: %.*s", of->number, (int)strcspn(failure, "\n"), failure);
}

static void kill_process(void *object)
{
	process *of = object;
	if (of->id > 0) {
		kill(of->id, SIGKILL);
		waitpid(of->id, NULL, 0);
	}
	note_failure(of);
	close(of->to);
	close(of->from);
}

static bool say(const process *to)
{
	return write(to->to, "!", 1) == 1;
}

static bool hear(const process *from)
{
	char byte;
	return read(from->from, &byte, 1) == 1 && byte == '!';
}

/* A process in which a check fails ends with status 1, and the first one is noted here. */
static process *start(ff_test *t, void (*body)(ff_test *t, const process *parent), unsigned number)
{
	int down[2], up[2];
	process *child = ff_test_alloc(t, sizeof(*child));
	FF_REQUIRE(t, pipe(down) == 0);
	FF_REQUIRE(t, pipe(up) == 0);
	*child = (process){ .test = t, .id = fork(), .to = down[1], .from = up[0], .number = number };
	FF_REQUIRE(t, child->id >= 0);
	if (child->id == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* where the runner gives a case up nothing is left running */
		process *parent = child;          /* of the same memory, which outlives a check that fails */
		*parent = (process){ .test = t, .to = up[1], .from = down[0], .number = number };
		close(down[1]);
		close(up[0]);
		ff_test_defer(t, leave, parent);
		FF_REQUIRE(t, hear(parent));
		body(t, parent);
		if (*ffp_failure(t)) /* by a check that goes on */
			leave(parent);
		_exit(0);
	}
	close(down[0]);
	close(up[1]);
	ff_test_defer(t, kill_process, child);
	return child;
}

static void finish(ff_test *t, process *child)
{
	int status = -1;
	FF_REQUIRE(t, waitpid(child->id, &status, 0) == child->id);
	child->id = 0;
	FF_CHECK_EQ_INT(t, status, 0);
}

static void murder(ff_test *t, process *child)
{
	FF_REQUIRE(t, kill(child->id, SIGKILL) == 0);
	FF_REQUIRE(t, waitpid(child->id, NULL, 0) == child->id);
	child->id = 0;
}

static void in_processes(ff_test *t, void (*body)(ff_test *t, const process *parent))
{
	process *children[FFP_ADDERS];
	for (unsigned i = 0; i < FFP_ADDERS; i++)
		children[i] = start(t, body, i);
	for (unsigned i = 0; i < FFP_ADDERS; i++)
		FF_REQUIRE(t, say(children[i]));
	for (unsigned i = 0; i < FFP_ADDERS; i++)
		finish(t, children[i]);
}

/* Opens, also where others that open the store at once hold it. */
static ffp_raw *open_among_others(ff_test *t, const ff_catalog *catalog)
{
	ffp_raw *raw = NULL;
	ff_code code;
	unsigned tries = 0;
	do
		code = ffp_raw_open(t, catalog, 0, &raw);
	while (code == FF_E_BUSY && ++tries < 100);
	FF_REQUIRE_OK(t, code);
	return raw;
}

static void put_and_look(ff_test *t, const process *parent)
{
	ffp_raw *raw = ffp_odd_open(t);
	for (int64_t i = 0; i < 3; i++) {
		FF_REQUIRE(t, ffp_odd_count(t, raw) == (size_t)i * 2);
		ffp_odd_put_numbered(t, raw, i * 2);
		FF_REQUIRE(t, say(parent) && hear(parent));
	}
}

static void slots_processes_see_each_others_commits(ff_test *t)
{
	process *child = start(t, put_and_look, 0);
	ffp_raw *raw = ffp_odd_open(t);
	for (int64_t i = 0; i < 3; i++) {
		FF_CHECK_EQ_INT(t, ffp_odd_count(t, raw), i * 2);
		FF_REQUIRE(t, say(child) && hear(child));
		FF_CHECK_EQ_INT(t, ffp_odd_count(t, raw), i * 2 + 1);
		ffp_odd_put_numbered(t, raw, i * 2 + 1);
	}
	FF_REQUIRE(t, say(child));
	finish(t, child);
	ffp_slots_check_indexes(t, raw, ffp_odd_table());
}

static void add_as_a_process(ff_test *t, const process *parent)
{
	FF_REQUIRE(t, ffp_odd_add_many(open_among_others(t, &ffp_odd_catalog_1), parent->number) == FF_OK);
}

/* From a store that none of them has made yet. */
static void slots_processes_that_add(ff_test *t)
{
	in_processes(t, add_as_a_process);
	ffp_odd_check_sum(t, ffp_odd_open(t));
}

static void migrate(ff_test *t, const process *parent)
{
	ffp_raw *raw = open_among_others(t, &ffp_odd_catalog_2);
	ffp_plain_row row = { .id = parent->number, .name = ffp_text_of("late") };
	ffp_slots_put(t, raw, &ffp_odd_catalog_2.tables[FFP_TABLE_LATE], &row.row);
}

static void slots_processes_that_migrate(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	ffp_odd_put_numbered(t, raw, 1);
	ffp_raw_close(t, raw);
	in_processes(t, migrate);
	FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_odd_catalog_2, FF_STORE_MUST_EXIST, &raw));
	FF_CHECK_EQ_INT(t, ffp_slots_all(t, raw, &ffp_odd_catalog_2.tables[FFP_TABLE_LATE], NULL).rows_count,
	                FFP_ADDERS);
	FF_CHECK_EQ_INT(t, ffp_slots_all(t, raw, &ffp_odd_catalog_2.tables[FFP_TABLE_ODD], NULL).rows_count, 1);
	ffp_slots_check_indexes(t, raw, &ffp_odd_catalog_2.tables[FFP_TABLE_ODD]);
}

/* Stores and does not commit, or reads, and waits to be killed. */
static void hold_a_transaction(ff_test *t, const process *parent)
{
	ffp_raw *raw = ffp_odd_open(t);
	ffp_odd_row there = ffp_odd("n", 0, "c", 0), fresh = ffp_odd("dead", 0, "c", 0);
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, parent->number ? FF_TXN_READ : FF_TXN_WRITE);
	FF_REQUIRE(t, ffp_odd_count_in(t, txn) > 0);
	const ff_write writes[] = {
		{ .table = ffp_odd_table(), .kind = FF_WRITE_PUT, .after = &fresh.row },
		{ .table = ffp_odd_table(),
		  .kind = FF_WRITE_DELETE,
		  .before = ffp_slots_load_row(t, txn, ffp_odd_table(), &there.row) },
	};
	if (!parent->number)
		FF_REQUIRE_OK(t, ffp_slots_store(t, txn, writes, 2));
	say(parent);
	hear(parent);
}

static void slots_a_killed_process_holds_nobody_up(ff_test *t)
{
	process *children[FFP_ADDERS];
	for (unsigned i = 0; i < FFP_ADDERS; i++)
		children[i] = start(t, hold_a_transaction, i % 2);
	ffp_raw *raw = ffp_odd_open(t);
	ffp_odd_put_numbered(t, raw, 0);
	for (int64_t i = 0; i < FFP_ADDERS; i++) {
		FF_REQUIRE(t, say(children[i]) && hear(children[i]));
		murder(t, children[i]);
		FF_CHECK_EQ_INT(t, ffp_odd_count(t, raw), i + 1);
		ffp_odd_put_numbered(t, raw, i + 1);
		FF_CHECK_EQ_INT(t, ffp_odd_count(t, raw), i + 2);
		ffp_slots_check_indexes(t, raw, ffp_odd_table());
	}
	ffp_raw_close(t, raw);
	raw = ffp_odd_open(t);
	FF_CHECK_EQ_INT(t, ffp_odd_count(t, raw), FFP_ADDERS + 1);
}

/* Who does not want to wait for a writer in another process does not. */
static void slots_a_writer_elsewhere_is_busy(ff_test *t)
{
	process *child = start(t, hold_a_transaction, 0);
	ffp_raw *raw = ffp_odd_open(t), *hasty = NULL;
	ffp_odd_put_numbered(t, raw, 0);
	FF_REQUIRE_OK(t, ffp_raw_open_at(t, ff_test_impatient_uri(t), &ffp_odd_catalog_1, 0, &hasty));
	FF_REQUIRE(t, say(child) && hear(child));
	ff_txn *txn = NULL;
	ff_code code = ffp_slots_try_begin(t, hasty, FF_TXN_WRITE, &txn);
	FF_CHECK(t, !code || ffp_is_contention(code));
	if (!code) /* it lets several begin, and tells one of them later */
		hasty->backend->abort(txn);
	FF_CHECK_EQ_INT(t, ffp_odd_count(t, hasty), 1);
	murder(t, child);
	ffp_odd_put_numbered(t, raw, 1); /* a server may take a moment to see that a process is dead */
	FF_CHECK_EQ_INT(t, ffp_odd_count(t, hasty), 2);
}

static void commit_and_wait(ff_test *t, const process *parent)
{
	ffp_raw *raw = ffp_odd_open(t);
	ffp_odd_put_numbered(t, raw, 0);
	ffp_odd_put_numbered(t, raw, 1);
	say(parent);
	hear(parent);
}

/* A kill takes no commit that was acknowledged, but where the store says that it keeps nothing. */
static void slots_commits_outlive_their_process(ff_test *t)
{
	process *child = start(t, commit_and_wait, 0);
	FF_REQUIRE(t, say(child) && hear(child));
	murder(t, child);
	ffp_raw *raw = ffp_odd_open(t);
	ff_store_limits limits = { 0 };
	FF_REQUIRE_OK(t, raw->backend->limits(raw->store, &limits, ff_test_error(t)));
	size_t kept = ffp_odd_count(t, raw);
	FF_CHECK(t, kept == 2 || (limits.durability == FF_DURABILITY_NONE && kept < 2));
	ffp_slots_check_indexes(t, raw, ffp_odd_table());
	ffp_odd_put_numbered(t, raw, 2);
}

static const ff_case table[] = {
	CASE(slots_processes_see_each_others_commits, "FF-RU-12", FF_CASE_SECOND_HANDLE | FF_CAP_MULTI_PROCESS),
	CASE(slots_processes_that_add, "FF-RU-13 FF-ERR-4", FF_CASE_SECOND_HANDLE | FF_CAP_MULTI_PROCESS),
	CASE(slots_processes_that_migrate, "FF-MT-2", FF_CASE_SECOND_HANDLE | FF_CAP_MULTI_PROCESS),
	CASE(slots_a_killed_process_holds_nobody_up, "FF-ERR-2", FF_CASE_SECOND_HANDLE | FF_CAP_MULTI_PROCESS),
	CASE(slots_a_writer_elsewhere_is_busy, "FF-ERR-4 FF-GS-3",
	     FF_CASE_SECOND_HANDLE | FF_CASE_NO_WAITING | FF_CAP_MULTI_PROCESS),
	CASE(slots_commits_outlive_their_process, "FF-RU-12", FF_CASE_SECOND_HANDLE),
};

FAMILY(ffp_cases_slots_processes, table);
