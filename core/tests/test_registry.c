/*
 * The registry of backends: what it refuses, and why. What is registered stays until the process ends, so each case
 * that registers does so under a name of its own.
 */
#include "tests.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static ff_engine_backend like_the_fake(const char *name)
{
	ff_engine_backend backend = ffp_fake_backend;
	backend.name = name;
	return backend;
}

static void check_refused(ff_test *t, const ff_engine_backend *backend, const char *message)
{
	FF_CHECK_CODE(t, ff_backend_register(backend, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK_STR(t, ff_test_error(t)->message, message);
	FF_CHECK_CODE(t, ff_backend_register(backend, NULL), FF_E_INVALID);
}

static void registry_wants_every_slot(ff_test *t)
{
#define LACKING(slot)                                                                       \
	do {                                                                                \
		ff_engine_backend lacking = like_the_fake("lacking");                       \
		lacking.slot = NULL;                                                        \
		check_refused(t, &lacking, "backend 'lacking' lacks the slot '" #slot "'"); \
	} while (0)
	LACKING(open);
	LACKING(close);
	LACKING(limits);
	LACKING(begin);
	LACKING(load);
	LACKING(store);
	LACKING(commit);
	LACKING(abort);
	FF_CHECK(t, ff_backend_find("lacking") == NULL);
}

static void registry_refuses_strange_tables(ff_test *t)
{
	check_refused(t, NULL, "backend is NULL");
	ff_engine_backend other = like_the_fake("strange");
	other.abi_major = FF_BACKEND_ABI + 1;
	check_refused(t, &other, "backend was built for interface 2, this library has 1");
	other.abi_major = 0;
	check_refused(t, &other, "backend was built for interface 0, this library has 1");
	other = like_the_fake("strange");
	other.size = 0;
	check_refused(t, &other, "backend's table of 0 bytes is cut off");
	other.size = (uint32_t)offsetof(ff_engine_backend, open) - 1;
	FF_CHECK_CODE(t, ff_backend_register(&other, ff_test_error(t)), FF_E_INVALID);
	other.size = (uint32_t)offsetof(ff_engine_backend, commit);
	check_refused(t, &other, "backend 'strange' lacks the slot 'commit'");
	other = like_the_fake("strange");
	other.caps = FF_CAPS_KNOWN + 1;
	check_refused(t, &other, "backend 'strange' claims unknown capabilities 0x10");
	other = like_the_fake("strange");
	other.needs = 4;
	check_refused(t, &other, "backend 'strange' needs 0x4, which this library does not know");
	other = like_the_fake("strange");
	other.reserved = 1;
	check_refused(t, &other, "backend 'strange' sets the reserved word");
	FF_CHECK(t, ff_backend_find("strange") == NULL);
}

static void registry_checks_names(ff_test *t)
{
	static const char *const bad[] = { "",    "Upper",    "9",
		                           "-a",  "a_b",      "a b",
		                           "a+b", "\xc3\xa9", "abcdefghijklmnopqrstuvwxyz012345" };
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		ff_engine_backend backend = like_the_fake(bad[i]);
		if (!FF_CHECK_CODE(t, ff_backend_register(&backend, ff_test_error(t)), FF_E_INVALID))
			ff_test_note(t, "'%s'", bad[i]);
	}
	ff_engine_backend nameless = like_the_fake(NULL);
	check_refused(t, &nameless, "backend name '' is not 1 to 31 of a-z, 0-9 and '-'");
	ff_engine_backend longest = like_the_fake("abcdefghijklmnopqrstuvwxyz01-34");
	FF_CHECK_CODE(t, ff_backend_register(&longest, ff_test_error(t)), FF_OK);
	FF_CHECK(t, ff_backend_find(longest.name) != NULL);
}

static void registry_refuses_what_is_taken(ff_test *t)
{
	ff_engine_backend backend = like_the_fake("fake");
	check_refused(t, &backend, "a backend 'fake' is registered already");
	backend = like_the_fake("flaky"); /* a scheme of another's */
	check_refused(t, &backend, "a backend 'flaky' is registered already");
	backend = like_the_fake("taken");
	backend.schemes = "mine faulty";
	check_refused(t, &backend, "scheme 'faulty' is registered already");
	backend.schemes = "mine Not-Mine";
	check_refused(t, &backend, "backend 'taken' has a malformed scheme 'Not-Mine'");
	FF_CHECK(t, !ff_backend_find("taken") && !ff_backend_find("mine"));
}

static void registry_finds(ff_test *t)
{
	const ff_engine_backend *faulty = ff_backend_find("faulty");
	FF_REQUIRE(t, faulty != NULL);
	FF_CHECK_STR(t, faulty->name, "faulty");
	FF_CHECK(t, ff_backend_find("broken") == faulty && ff_backend_find("flaky") == faulty);
	FF_CHECK(t, ff_backend_find("faulty+fake") == faulty); /* a shim and what it wraps */
	FF_CHECK(t, !ff_backend_find("fault") && !ff_backend_find("faulty2") && !ff_backend_find("broken flaky"));
	FF_CHECK(t, !ff_backend_find("") && !ff_backend_find(NULL) && !ff_backend_find("FAKE"));
	FF_CHECK_STR(t, ff_backend_at(0)->name, "fake");
	FF_CHECK(t, ff_backend_at(1) == faulty);
	FF_CHECK(t, ff_backend_at(1000) == NULL);
}

/* A backend that was compiled against an older header ends before `check`: it is NULL, and the rest works. */
static void registry_takes_an_older_table(ff_test *t)
{
	struct {
		unsigned char table[offsetof(ff_engine_backend, check)];
	} older;
	ff_engine_backend backend = like_the_fake("older");
	backend.size = sizeof(older.table);
	memcpy(older.table, &backend, sizeof(older.table));
	const ff_engine_backend *table = (const ff_engine_backend *)(const void *)older.table;
	FF_REQUIRE_OK(t, ff_backend_register(table, ff_test_error(t)));
	const ff_engine_backend *found = ff_backend_find("older");
	FF_REQUIRE(t, found != NULL);
	FF_CHECK(t, found->check == NULL && found->abort == ffp_fake_backend.abort);
	ff_engine *e = ff_test_open_uri(t, ff_test_text(t, "older:%s", strchr(ff_test_uri(t), ':') + 1), NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
}

/* What a newer header appends is not looked at. */
static void registry_takes_a_newer_table(ff_test *t)
{
	struct {
		ff_engine_backend known;
		void (*appended)(void);
	} newer = { .known = like_the_fake("newer") };
	newer.known.size = sizeof(newer);
	FF_REQUIRE_OK(t, ff_backend_register(&newer.known, ff_test_error(t)));
	FF_CHECK(t, ff_backend_find("newer") != NULL);
}

static void capabilities_have_names(ff_test *t)
{
	FF_CHECK_STR(t, ff_cap_name(FF_CAP_DURABLE_COMMIT), "DURABLE_COMMIT");
	FF_CHECK_STR(t, ff_cap_name(FF_CAP_MULTI_PROCESS), "MULTI_PROCESS");
	FF_CHECK_STR(t, ff_cap_name(FF_CAP_SNAPSHOT_READ), "SNAPSHOT_READ");
	FF_CHECK_STR(t, ff_cap_name(FF_CAP_CONCURRENT_WRITERS), "CONCURRENT_WRITERS");
	FF_CHECK(t, !ff_cap_name(0) && !ff_cap_name(3) && !ff_cap_name(FF_CAPS_KNOWN + 1));
	for (uint64_t cap = 1; cap & FF_CAPS_KNOWN; cap <<= 1)
		FF_CHECK(t, ff_cap_name(cap) != NULL);
}

static void *find_again_and_again(void *ended)
{
	while (!*(atomic_bool *)ended)
		ff_backend_find("fake");
	return NULL;
}

/* A child has no such thread, and waits for nothing that it holds. */
static void registry_survives_a_fork(ff_test *t)
{
	atomic_bool ended = false;
	pthread_t thread;
	FF_REQUIRE(t, pthread_create(&thread, NULL, find_again_and_again, &ended) == 0);
	int status = 0;
	for (unsigned i = 0; i < 100 && status == 0; i++) {
		pid_t child = fork();
		if (child == 0) {
			alarm(20);
			_exit(ff_backend_find("fake") ? 0 : 1);
		}
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			;
	}
	ended = true;
	pthread_join(thread, NULL);
	FF_CHECK_EQ_INT(t, status, 0);
}

/* In a child, since nothing is ever taken out. */
static void registry_has_an_end(ff_test *t)
{
	pid_t child = fork();
	if (child == 0) {
		static char names[100][8];
		ff_error error = { .code = FF_OK };
		for (unsigned i = 0; i < COUNT_OF(names) && error.code == FF_OK; i++) {
			snprintf(names[i], sizeof(names[i]), "end-%u", i);
			ff_engine_backend backend = like_the_fake(names[i]);
			ff_backend_register(&backend, &error);
		}
		bool ended = strcmp(error.message, "more than 64 backends") == 0;
		_exit(ended && ff_backend_at(63) && !ff_backend_at(64) ? 0 : 1);
	}
	int status = -1;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	FF_CHECK_EQ_INT(t, status, 0);
}

static const ff_case cases[] = {
	CASE(registry_wants_every_slot, "", 0),
	CASE(registry_refuses_strange_tables, "", 0),
	CASE(registry_checks_names, "", 0),
	CASE(registry_refuses_what_is_taken, "", 0),
	CASE(registry_finds, "", 0),
	CASE(registry_takes_an_older_table, "", 0),
	CASE(registry_takes_a_newer_table, "", 0),
	CASE(capabilities_have_names, "", 0),
	CASE(registry_has_an_end, "", 0),
	CASE(registry_survives_a_fork, "FF-ERR-6", 0),
};

FAMILY(ffp_tests_registry, cases);
