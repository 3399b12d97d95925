/* Errors (FF-ERR): what they carry, what they leave, which comes first. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"

/* ---- what an error carries ---------------------------------------------------------------------------------- */

static bool is_one_line(const char *text)
{
	for (const char *at = text; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return false;
	}
	return *text != '\0';
}

static void check_error(ff_test *t, ff_code code, const char *operation, const char *entity, const char *id)
{
	const ff_error *error = ff_test_error(t);
	FF_CHECK_STR(t, ff_code_name(error->code), ff_code_name(code));
	FF_CHECK_STR(t, error->operation, operation);
	FF_CHECK_STR(t, error->entity, entity);
	FF_CHECK_STR(t, error->id, id);
	FF_CHECK(t, is_one_line(error->message));
	FF_CHECK_EQ_INT(t, error->retryable, code == FF_E_BUSY || code == FF_E_DEADLINE);
}

static void error_names_what_it_is_about(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_usage(t, e, "no'budget"), "!not_found");
	check_error(t, FF_E_NOT_FOUND, "get_budget_status", "budget", "no'budget");
	FF_CHECK_STR(t, ffp_reset(t, e, "nope", 0), "!not_found");
	check_error(t, FF_E_NOT_FOUND, "reset_budget", "budget", "nope");
	FF_CHECK_STR(t, ffp_quota(t, e, "nope"), "!not_found");
	check_error(t, FF_E_NOT_FOUND, "get_quota_status", "quota_policy", "nope");
	FF_CHECK_STR(t, ffp_admit(t, e, "nope", "x", ""), "!not_found");
	check_error(t, FF_E_NOT_FOUND, "admit", "quota_policy", "nope");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=2"), "!key_conflict");
	check_error(t, FF_E_KEY_CONFLICT, "report_usage", "budget", "b");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=max"), "!overflow");
	check_error(t, FF_E_OVERFLOW, "report_usage", "budget", "b");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=max"), "!overflow");
	check_error(t, FF_E_OVERFLOW, "record_spend", "budget", "b");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "", "", "a=1"), "!invalid");
	check_error(t, FF_E_INVALID, "record_spend", "budget", "b");
	FF_CHECK_STR(t, ffp_create(t, e, "b", "@mode=warn"), "!invalid");
	check_error(t, FF_E_INVALID, "create_budget", "budget", "b");
}

/* Neither a long nor a strange id breaks the record. */
static void error_quotes_any_id(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	const char *longest = ffp_name_of_size(t, 'i', 128);
	FF_CHECK_STR(t, ffp_usage(t, e, longest), "!not_found");
	check_error(t, FF_E_NOT_FOUND, "get_budget_status", "budget", longest);
	FF_CHECK_STR(t, ffp_usage(t, e, "%s%n\"'é"), "!not_found");
	check_error(t, FF_E_NOT_FOUND, "get_budget_status", "budget", "%s%n\"'é");
	FF_CHECK_STR(t, ffp_usage(t, e, "a\nb\xff"), "!invalid");
	FF_CHECK(t, is_one_line(ff_test_error(t)->message));
}

/* On success a function leaves the record as it was, and every call takes none at all. */
static void error_may_be_left_out(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	ff_amount amount = { "a", 1 };
	ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1 };
	ff_error_set(ff_test_error(t), FF_E_FULL, "as it was");
	FF_CHECK_CODE(t, ff_engine_report_usage(e, &report, &(ff_outcome){ 0 }, ff_test_error(t)), FF_OK);
	FF_CHECK_STR(t, ff_test_error(t)->message, "as it was");
	const ff_budget_status *status = NULL;
	FF_CHECK_CODE(t, ff_engine_report_usage(e, &report, &(ff_outcome){ 0 }, NULL), FF_OK);
	FF_CHECK_CODE(t, ff_engine_get_budget_status(e, "b", &status, NULL), FF_E_NOT_FOUND);
	FF_CHECK_CODE(t, ff_engine_reset_budget(e, "", 0, NULL, NULL), FF_E_INVALID);
	FF_CHECK_CODE(t, ff_engine_open("nosuch:store", NULL, &e, NULL), FF_E_INVALID);
}

static void error_of_the_store_names_the_backend(ff_test *t)
{
	ff_engine_info info = { 0 };
	ff_engine *e = ff_test_open(t, NULL);
	FF_REQUIRE_OK(t, ff_engine_get_info(e, &info, ff_test_error(t)));
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=1"), "created");
	ffp_row_set(t, "ff_budget_policy", "b", "policy_json", "x");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!corrupt");
	check_error(t, FF_E_CORRUPT, "report_usage", "budget", "b");
	FF_CHECK_STR(t, ff_test_error(t)->backend, info.backend);
}

/* ---- what an error leaves ----------------------------------------------------------------------------------- */

static void error_changes_nothing_and_may_be_sent_again(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=100"), "created");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=1 n=max"), "ok");
	const char *before = ffp_export(t, e, 0);
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "k", "a=1 n=1"), "!overflow");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "k", "a=1 a=1"), "!invalid");
	FF_CHECK_STR(t, ffp_create(t, e, "c", "a=1:2"), "!invalid");
	FF_CHECK_STR(t, ffp_reset(t, e, "c", 0), "!not_found");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "!not_found");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "x", 0), "not held");
	FF_CHECK_STR(t, ffp_export(t, e, 0), before);
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "a=1 n=9223372036854775807");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "k", "a=1 n=1"), "ok");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "k", "a=1 n=1"), "already replayed");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=1 n=1");
}

/* Memory that runs out at the N-th piece, N rising until a run is clean. */
typedef struct scarce {
	_Atomic int64_t left; /* pieces until one is refused; below 0: none is */
	_Atomic int64_t held; /* bytes that were not given back */
} scarce;

static void *scarce_resize(void *context, void *old, size_t old_size, size_t size)
{
	scarce *memory = context;
	if (!size) {
		free(old);
		memory->held -= old ? (int64_t)old_size : 0;
		return NULL;
	}
	if (memory->left >= 0 && memory->left-- == 0) {
		memory->left = 0;
		return NULL;
	}
	void *grown = realloc(old, size);
	memory->held += grown ? (int64_t)size - (old ? (int64_t)old_size : 0) : 0;
	return grown;
}

static void memory_that_runs_out_at_open(ff_test *t)
{
	scarce memory = { 0, 0 };
	ff_allocator allocator = { scarce_resize, &memory };
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.allocator = &allocator;
	options.clock = ff_test_clock(t);
	ff_code code = FF_E_NO_MEMORY;
	for (int64_t n = 0; code == FF_E_NO_MEMORY && n < 1000; n++) {
		memory.left = n;
		ff_engine *e = NULL;
		code = ff_engine_open(ff_test_uri(t), &options, &e, ff_test_error(t));
		FF_CHECK(t, (code == FF_OK) == (e != NULL));
		memory.left = -1;
		ff_engine_close(&e);
		FF_CHECK_EQ_INT(t, memory.held, 0);
	}
	FF_CHECK_STR(t, ff_code_name(code), "ok");
}

static const char *call_in_scarcity(ff_test *t, ff_engine *e, int call, const char *key)
{
	if (call == 0)
		return ffp_report(t, e, "b", key, "a=1 z=1");
	if (call == 1)
		return ffp_spend(t, e, "b", "x", key, "a=1 z=1");
	return ffp_create(t, e, key, "a=1 z=1");
}

static void memory_that_runs_out_in_a_call(ff_test *t)
{
	scarce memory = { -1, 0 };
	ff_allocator allocator = { scarce_resize, &memory };
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.allocator = &allocator;
	for (int call = 0; call < 3; call++) {
		const char *key = ff_test_text(t, "key%d", call);
		const char *answer = "!no_memory";
		for (int64_t n = 0; !strcmp(answer, "!no_memory") && n < 1000; n++) {
			ff_engine *e = ff_test_open(t, &options);
			ffp_create(t, e, "b", "a=1000 z=0:1000");
			memory.left = n;
			answer = call_in_scarcity(t, e, call, key);
			memory.left = -1;
			ff_test_undo(t, e);
			FF_CHECK_EQ_INT(t, memory.held, 0);
		}
		FF_CHECK_STR(t, answer, call == 2 ? "created" : "ok");
	}
	ff_engine *e = ff_test_open(t, NULL);
	if (ff_test_given(t) & FF_CASE_SECOND_HANDLE)
		FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=2 z=2");
}

/* ---- which comes first -------------------------------------------------------------------------------------- */

static void arguments_come_before_all(ff_test *t)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.flags = FF_OPEN_REQUIRE_BUDGET;
	ff_engine *e = ff_test_open(t, &options);
	FF_CHECK_STR(t, ffp_report(t, e, "ghost", "k", "a=1 a=1"), "!invalid");
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=1"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1 a=1"), "!invalid");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=9223372036854775808"), "!invalid");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=9 z=9223372036854775808"), "!invalid");
	FF_CHECK_STR(t, ffp_admit(t, e, "ghost", ffp_name_of_size(t, 'x', 129), ""), "!invalid");
}

static void missing_entity_comes_before_the_key(ff_test *t)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.flags = FF_OPEN_REQUIRE_BUDGET;
	ff_engine *e = ff_test_open(t, NULL);
	ff_engine *strict = ff_test_open(t, &options);
	FF_CHECK_STR(t, ffp_report(t, e, "ghost", "k", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, strict, "ghost", "k", "a=1"), "!not_found");
	FF_CHECK_STR(t, ffp_report(t, strict, "ghost", "k", "a=2"), "!not_found");
	ffp_row_set(t, "ff_budget_usage", "ghost\na", "current_value", "-1");
	FF_CHECK_STR(t, ffp_report(t, strict, "ghost", "l", "a=2"), "!not_found");
}

static void key_comes_before_corruption(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
	ffp_row_set(t, "ff_budget_policy", "b", "policy_json", "x");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok replayed");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=2"), "!key_conflict");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "l", "a=1"), "!corrupt");
	ffp_row_set(t, "ff_budget_policy", "b", "policy_json", "");
	ffp_row_set(t, "ff_budget_usage", "b\na", "current_value", "-1");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok replayed");
	/* The key itself: another payload is a conflict, whatever was recorded. */
	ffp_row_set(t, "ff_budget_usage_dedup", "k\nb", "outcome_json", "x");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=2"), "!key_conflict");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "!corrupt");
}

static void corruption_comes_before_a_breach(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=9 z=1"), "ok");
	ffp_row_set(t, "ff_budget_usage", "b\nz", "current_value", "-1");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=2 z=1"), "!corrupt");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=2"), "hard a 9/10");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "b", "breach_count"), "1");
}

/* A hard limit is compared without a sum; overflow is looked for only where increments would apply. */
static void breach_comes_before_overflow(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "z=10 m=max"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=max m=5"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1 z=11"), "hard z 0/10");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "z=max"), "hard z 0/10");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "m=max"), "hard m 5/9223372036854775807");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1 z=10"), "!overflow");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=9223372036854775807 m=5");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=3 soft=0 last=m@1000000");
	/* Where nothing is refused, what would have been is applied, and may overflow. */
	FF_CHECK_STR(t, ffp_create(t, e, "adv", "a=1 @mode=advisory"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "adv", "", "a=max"), "hard a 0/1 applied");
	FF_CHECK_STR(t, ffp_report(t, e, "adv", "", "a=1"), "!overflow");
	FF_CHECK_STR(t, ffp_breaches(t, e, "adv"), "hard=1 soft=0 last=a@1000000");
}

/* ---- contention --------------------------------------------------------------------------------------------- */

static void busy_is_retried_and_then_told(ff_test *t)
{
	static const struct {
		uint32_t attempts, backoff_ms;
		uint64_t sleeps;
		uint32_t slept_ms[3];
	} settings[] = { { 0, 0, 2, { 5, 10, 0 } }, { 1, 0, 0, { 0, 0, 0 } }, { 4, 7, 3, { 7, 14, 28 } } };
	ff_engine *patient = ff_test_open(t, NULL); /* and to make a store may be to wait */
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
		options.attempts = settings[i].attempts;
		options.backoff_ms = settings[i].backoff_ms;
		ff_engine *e = ff_test_open_uri(t, ff_test_impatient_uri(t), &options);
		const char *key = ff_test_text(t, "k%zu", i);
		FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
		uint64_t before = ff_test_sleeps(t);
		ffp_raw *raw = NULL;
		ff_txn *held = ffp_row_hold(t, "ff_budget_usage", "b\na", &raw);
		const char *answer = ffp_report(t, e, "b", key, "a=1");
		raw->backend->abort(held);
		FF_CHECK_STR(t, answer, "!busy");
		FF_CHECK_EQ_INT(t, ff_test_error(t)->retryable, true);
		FF_CHECK(t, *ff_test_error(t)->backend);
		FF_CHECK_STR(t, ff_test_error(t)->operation, "report_usage");
		FF_CHECK_EQ_INT(t, ff_test_sleeps(t) - before, settings[i].sleeps);
		for (uint64_t n = 0; n < settings[i].sleeps; n++)
			FF_CHECK_EQ_INT(t, ff_test_slept_ms(t, before + n), settings[i].slept_ms[n]);
		/* A server that is told of an abort may be free a moment later. */
		FF_CHECK_STR(t, ffp_report(t, patient, "b", "", "a=1"), "ok");
		FF_CHECK_STR(t, ffp_report(t, e, "b", key, "a=1"), "ok");
		FF_CHECK_STR(t, ffp_report(t, e, "b", key, "a=1"), "ok replayed");
		ffp_raw_close(t, raw);
		ff_test_undo(t, e);
	}
}

/* A refusal and an error of the caller's own are no contention: nothing is retried. */
static void nothing_else_is_retried(ff_test *t)
{
	ff_engine_info info = { 0 };
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=1"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=2"), "hard a 0/1");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=3"), "!key_conflict");
	FF_CHECK_STR(t, ffp_reset(t, e, "ghost", 0), "!not_found");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "z=max"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "z=max"), "!overflow");
	FF_REQUIRE_OK(t, ff_engine_get_info(e, &info, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, info.retries, 0);
	FF_CHECK_EQ_INT(t, ff_test_sleeps(t), 0);
}

/* ---- faults of the store ------------------------------------------------------------------------------------- */

/* An engine over the case's store in which calls of a slot fail. */
static ff_engine *open_faulty(ff_test *t, const char *fault)
{
	const char *uri = ff_test_uri(t);
	return ff_test_open_uri(t, ff_test_text(t, "fault+%s%c%s", uri, strchr(uri, '?') ? '&' : '?', fault), NULL);
}

/* Whatever slot fails, nothing is changed, and the same call sent again charges once. */
static void fault_of_the_store_changes_nothing(ff_test *t)
{
	static const char *const faults[] = { "slot=begin&error=io",  "slot=load&error=io",
		                              "slot=store&error=io",  "slot=store&error=full&when=after",
		                              "slot=commit&error=io", "slot=commit&error=full" };
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		const char *id = ff_test_text(t, "b%zu", i);
		ff_engine *e = open_faulty(t, ff_test_text(t, "%s&native_code=77", faults[i]));
		const char *want = strstr(faults[i], "full") ? "!full" : "!io";
		if (!FF_CHECK_STR(t, ffp_report(t, e, id, "k", "a=1 z=1"), want))
			ff_test_note(t, "%s", faults[i]);
		FF_CHECK_STR(t, ff_test_error(t)->native_code, "77");
		FF_CHECK_STR(t, ff_test_error(t)->backend, "fault");
		FF_CHECK_STR(t, ff_test_error(t)->operation, "report_usage");
		FF_CHECK_STR(t, ffp_report(t, e, id, "k", "a=1 z=1"), "ok");
		FF_CHECK_STR(t, ffp_report(t, e, id, "k", "a=1 z=1"), "ok replayed");
		FF_CHECK_STR(t, ffp_create(t, e, id, ""), "created");
		FF_CHECK_STR(t, ffp_usage(t, e, id), "a=1 z=1");
		ff_test_undo(t, e);
	}
	FF_CHECK_EQ_INT(t, ff_test_sleeps(t), 0);
}

/* Of an I/O error the backend says whether it may pass. */
static void fault_that_may_pass(ff_test *t)
{
	for (int retryable = 0; retryable < 2; retryable++) {
		ff_engine *e = open_faulty(t, ff_test_text(t, "slot=load&error=io&retryable=%d", retryable));
		FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!io");
		FF_CHECK_EQ_INT(t, ff_test_error(t)->retryable, retryable);
		ff_test_undo(t, e);
	}
}

/* A store that is too full for a reset is purged all the same, and then has room for it; where it is still full, that is
 * told. */
static void full_store_is_purged_before_a_reset(ff_test *t)
{
	static const char *const modes[] = { "once", "always" };
	static const char *const want[] = { "resets=1 failed=0 keys=1 admissions=0", "!full" };
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		const char *id = ff_test_text(t, "b%zu", i);
		ff_test_set_time(t, T0 + (int64_t)i * 10 * 86400000);
		ff_engine *plain = ff_test_open(t, NULL);
		FF_CHECK_STR(t, ffp_create(t, plain, id, "a=10 @reset=172800000"), "created");
		FF_CHECK_STR(t, ffp_report(t, plain, id, "k", "a=1"), "ok");
		ff_test_set_time(t, T0 + (int64_t)i * 10 * 86400000 + 172800000);
		ff_engine *e = open_faulty(t, ff_test_text(t, "slot=store&error=full&mode=%s", modes[i]));
		FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), want[i]);
		ff_test_undo(t, e);
		FF_CHECK_STR(t, ffp_tick(t, plain, 0, 0),
		             i ? "resets=2 failed=0 keys=1 admissions=0" : "resets=0 failed=0 keys=0 admissions=0");
		ff_test_undo(t, plain);
	}
}

/* An import whose last commit may have happened finds out: it could not be run again on its own rows. */
static void import_with_an_unknown_end(ff_test *t)
{
	static const char *const faults[] = { "error=commit_unknown&when=before", "error=commit_unknown&when=after" };
	const char *lines = "{\"budget_id\":\"b\",\"current_value\":7,\"dimensions_key\":\"a\",\"period\":0,"
			    "\"table\":\"ff_budget_usage\",\"updated_at_ms\":5}\n"
			    "{\"lines\":1,\"table\":\"end\"}\n";
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		/* Its commits: the beginning, one of lines, the end. An import of nothing leaves the store empty. */
		ff_engine *e = open_faulty(t, ff_test_text(t, "slot=commit&nth=3&%s", faults[i]));
		FF_CHECK_STR(t, ffp_import(t, e, ""), "0");
		FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=0 admissions=0"); /* it has ended */
		ff_test_undo(t, e);
	}
	ff_engine *e = open_faulty(t, "slot=commit&nth=3&error=commit_unknown&when=after");
	FF_CHECK_STR(t, ffp_import(t, e, lines), "2");
	FF_CHECK_STR(t, ffp_export(t, e, 0), lines);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
}

/* Contention at whatever slot: tried again inside, and charged once. */
static void contention_is_retried_inside(ff_test *t)
{
	static const char *const faults[] = { "slot=begin&error=busy",      "slot=load&error=busy",
		                              "slot=load&error=conflict",   "slot=store&error=conflict&when=after",
		                              "slot=commit&error=conflict", "slot=commit&error=busy" };
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		const char *id = ff_test_text(t, "b%zu", i);
		uint64_t slept = ff_test_sleeps(t);
		ff_engine *e = open_faulty(t, faults[i]);
		if (!FF_CHECK_STR(t, ffp_spend(t, e, id, "x", "", "a=1"), "ok"))
			ff_test_note(t, "%s", faults[i]);
		FF_CHECK_EQ_INT(t, ff_test_sleeps(t) - slept, 1);
		FF_CHECK_EQ_INT(t, ff_test_slept_ms(t, slept), 5);
		FF_CHECK_STR(t, ffp_release(t, e, id, "x"), "a=1");
		ff_test_undo(t, e);
	}
}

/* A conflict that does not end is told as busy: hosts never see the backend's own word. */
static void contention_that_does_not_end(ff_test *t)
{
	ff_engine *e = open_faulty(t, "slot=commit&error=conflict&mode=always");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "!busy");
	FF_CHECK_EQ_INT(t, ff_test_error(t)->retryable, true);
	FF_CHECK_EQ_INT(t, ff_test_sleeps(t), 2);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "!busy");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "!not_found");
}

/* A commit of which nothing is known: the key tells, whether it had happened or not. */
static void commit_unknown_is_resolved_by_its_key(ff_test *t)
{
	static const char *const whens[] = { "before", "after" };
	for (size_t i = 0; i < 2; i++) {
		const char *id = whens[i];
		ff_engine *e = open_faulty(t, ff_test_text(t, "slot=commit&error=commit_unknown&when=%s", id));
		FF_CHECK_STR(t, ffp_spend(t, e, id, "x", "k", "a=1"), "ok");
		FF_CHECK_STR(t, ffp_spend(t, e, id, "x", "k", "a=1"), "already replayed");
		FF_CHECK_STR(t, ffp_release(t, e, id, "x"), "a=1");
		ff_test_undo(t, e);
	}
}

/* Of a batch whose commit did not happen one key may be there all the same, from the same millisecond: it was given before,
 * and taken for fresh unseen. The others tell. */
static void commit_unknown_beside_a_key_of_before(ff_test *t)
{
	ff_amount amount = { "a", 1 };
	const ff_report reports[] = {
		{ .budget_id = "b", .amounts = &amount, .amounts_count = 1, .idempotency_key = "before" },
		{ .budget_id = "c", .amounts = &amount, .amounts_count = 1, .idempotency_key = "fresh" },
		{ .budget_id = "d", .amounts = &amount, .amounts_count = 1 },
	};
	ff_engine *plain = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, plain, "b", "before", "a=1"), "ok");
	ff_engine *e = open_faulty(t, "slot=commit&error=commit_unknown&when=before");
	ff_report_result results[3] = { 0 };
	FF_REQUIRE_OK(t, ff_engine_report_usage_batch(e, reports, 3, results, NULL, ff_test_error(t)));
	for (size_t i = 0; i < 3; i++) {
		FF_CHECK_CODE(t, results[i].code, FF_OK);
		FF_CHECK_EQ_INT(t, results[i].outcome.replayed, i == 0);
		FF_CHECK_STR(t, ffp_create(t, e, reports[i].budget_id, ""), "created");
		FF_CHECK_STR(t, ffp_usage(t, e, reports[i].budget_id), "a=1");
	}
}

/* Without a key nothing tells, and the caller is told so. */
static void commit_unknown_without_a_key(ff_test *t)
{
	static const char *const whens[] = { "before", "after" };
	static const char *const usage[] = { "a=0", "a=1" };
	for (size_t i = 0; i < 2; i++) {
		const char *id = whens[i];
		ff_engine *e = open_faulty(t, ff_test_text(t, "slot=commit&error=commit_unknown&nth=2&when=%s", id));
		FF_CHECK_STR(t, ffp_report(t, e, id, "", "a=0"), "ok");
		FF_CHECK_STR(t, ffp_report(t, e, id, "", "a=1"), "!commit_unknown");
		FF_CHECK_EQ_INT(t, ff_test_error(t)->retryable, false);
		FF_CHECK_STR(t, ffp_create(t, e, id, ""), "created");
		FF_CHECK_STR(t, ffp_usage(t, e, id), usage[i]);
		ff_test_undo(t, e);
	}
}

/* Where every commit is unknown and the key tells that none happened, that much is known. */
static void commit_unknown_that_does_not_end(ff_test *t)
{
	ff_engine *e = open_faulty(t, "slot=commit&error=commit_unknown&mode=always");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "!io");
	FF_CHECK_EQ_INT(t, ff_test_sleeps(t), 2);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!commit_unknown");
	FF_CHECK_EQ_INT(t, ff_test_error(t)->retryable, false);
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "!not_found");
}

/* ---- dead handles, deadlines, what a store does not give ---------------------------------------------------- */

static void calls_on_no_engine(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_CHECK_STR(t, ffp_report(t, NULL, "b", "", "a=1"), "!misuse");
	FF_CHECK_STR(t, ffp_usage(t, NULL, "b"), "!misuse");
	FF_CHECK_STR(t, ffp_create(t, NULL, "b", ""), "!misuse");
	FF_CHECK_STR(t, ffp_tick(t, NULL, 0, 0), "!misuse");
	FF_CHECK_STR(t, ffp_export(t, NULL, 0), "!misuse");
	FF_CHECK_CODE(t, ff_engine_tick_every(NULL, 1, ff_test_error(t)), FF_E_MISUSE);
	/* Whatever else is wrong. */
	FF_CHECK_CODE(t, ff_engine_report_usage(NULL, NULL, NULL, ff_test_error(t)), FF_E_MISUSE);
	FF_CHECK_CODE(t, ff_engine_get_budget_status(NULL, "", NULL, ff_test_error(t)), FF_E_MISUSE);
	FF_CHECK_CODE(t, ff_engine_get_quota_status(NULL, "", NULL, ff_test_error(t)), FF_E_MISUSE);
	FF_CHECK_CODE(t, ff_engine_list_budgets(NULL, NULL, 0, NULL, ff_test_error(t)), FF_E_MISUSE);
	FF_CHECK_CODE(t, ff_engine_list_quotas(NULL, NULL, 0, NULL, ff_test_error(t)), FF_E_MISUSE);
	FF_CHECK_CODE(t, ff_engine_export(NULL, -1, NULL, NULL, ff_test_error(t)), FF_E_MISUSE);
	FF_CHECK_CODE(t, ff_engine_import(NULL, NULL, NULL, NULL, ff_test_error(t)), FF_E_MISUSE);
	FF_CHECK_CODE(t, ff_engine_check(NULL, NULL, NULL, ff_test_error(t)), FF_E_MISUSE);
	ff_engine *closed = NULL;
	ff_engine_close(&closed);
	FF_REQUIRE_OK(t, ff_engine_open(ff_test_uri(t), NULL, &closed, ff_test_error(t)));
	ff_engine_close(&closed);
	FF_CHECK(t, closed == NULL);
	FF_CHECK_STR(t, ffp_report(t, closed, "b", "", "a=1"), "!misuse");
}

/* An engine is dead in a forked process, which leaves the store alone. */
static void calls_after_fork(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	pid_t child = fork();
	FF_REQUIRE(t, child >= 0);
	if (child == 0) {
		ff_amount amount = { "a", 1 };
		ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1 };
		const ff_budget_status *status = NULL;
		bool dead = ff_engine_report_usage(e, &report, &(ff_outcome){ 0 }, NULL) == FF_E_MISUSE &&
		            ff_engine_get_budget_status(e, "b", &status, NULL) == FF_E_MISUSE;
		ff_engine_close(&e);
		_exit(dead ? 0 : 1);
	}
	int status = -1;
	FF_REQUIRE(t, waitpid(child, &status, 0) == child);
	FF_CHECK_EQ_INT(t, status, 0);
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=10"), "ok");
}

/* What the child of open_after_fork does; the parent hears of each step. Answers how many of its reports were charged. */
static int report_in_child(ff_test *t, int to_parent, int from_parent)
{
	ff_engine *e = NULL;
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.clock = ff_test_clock(t);
	ff_code code = ff_engine_open(ff_test_uri(t), &options, &e, NULL);
	ff_amount amount = { "a", 1 };
	ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1 };
	int charged = 0;
	char step = 0;
	for (int i = 0; code == FF_OK && i < 3; i++) {
		bool goes_on = i != 1 || (write(to_parent, &step, 1) == 1 && read(from_parent, &step, 1) == 1);
		charged += goes_on && ff_engine_report_usage(e, &report, &(ff_outcome){ 0 }, NULL) == FF_OK;
	}
	ff_engine_close(&e);
	return code == FF_OK || code == FF_E_MISUSE ? charged : 255;
}

/*
 * A child may open an engine of its own, beside one of its parent's, and then charges as any process does; or the store
 * does not let it, where its library would take the parent's locks for its own.
 */
static void open_after_fork(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	int up[2], down[2], status = -1;
	char step = 0;
	FF_REQUIRE(t, pipe(up) == 0 && pipe(down) == 0);
	pid_t child = fork();
	FF_REQUIRE(t, child >= 0);
	if (child == 0) {
		close(up[0]);
		close(down[1]);
		_exit(report_in_child(t, up[1], down[0]));
	}
	close(up[1]);
	close(down[0]);
	bool is_open = read(up[0], &step, 1) == 1;
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	ff_test_undo(t, e);
	FF_CHECK(t, !is_open || write(down[1], &step, 1) == 1);
	FF_REQUIRE(t, waitpid(child, &status, 0) == child && WIFEXITED(status));
	FF_CHECK_EQ_INT(t, WEXITSTATUS(status), is_open ? 3 : 0);
	close(up[0]);
	close(down[1]);
	e = ff_test_open(t, NULL);
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->usage[0].amount, 2 + WEXITSTATUS(status));
}

/* No time is before 1970, and a deadline that is would never be kept. */
static void a_deadline_before_1970(ff_test *t)
{
	const int64_t deadlines[] = { -1, INT64_MIN };
	ff_amount amount = { "a", 1 };
	ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1 };
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	for (int i = 0; i < 2; i++) {
		ff_error error = { 0 };
		ff_call call = {
			.op = FF_OP_REPORT_USAGE, .deadline_ms = deadlines[i], .in.report = &report, .error = &error
		};
		FF_REQUIRE_OK(t, ff_engine_submit(e, &call, 1, ff_test_error(t)));
		FF_CHECK_STR(t, ff_code_name(call.code), "invalid");
		FF_CHECK(t, !error.retryable);
	}
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "");
}

/* Where time is the data's, a deadline is compared with the call's own, whatever shares its batch. */
static void deadlines_by_the_data_clock(ff_test *t)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.flags = FF_OPEN_DATA_CLOCK;
	ff_amount amount = { "a", 1 };
	ff_report reports[3];
	ff_call calls[3];
	for (int i = 0; i < 3; i++) {
		reports[i] =
		    (ff_report){ .budget_id = "b", .amounts = &amount, .amounts_count = 1, .now_ms = T0 + 100 * i };
		calls[i] = (ff_call){ .op = FF_OP_REPORT_USAGE, .deadline_ms = T0 + 150, .in.report = &reports[i] };
	}
	ff_engine *e = ff_test_open(t, &options);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_REQUIRE_OK(t, ff_engine_submit(e, calls, 3, ff_test_error(t)));
	FF_CHECK_STR(t, ff_code_name(calls[0].code), "ok");
	FF_CHECK_STR(t, ff_code_name(calls[1].code), "ok");
	FF_CHECK_STR(t, ff_code_name(calls[2].code), "deadline");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=2");
}

/* A call is no longer decided from the instant of its deadline on; its neighbours are. */
static void calls_past_their_deadline(ff_test *t)
{
	ff_amount amount = { "a", 1 };
	ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1 };
	ff_outcome outcomes[3] = { 0 };
	ff_error errors[3] = { 0 };
	static const int64_t deadlines[] = { T0, T0 + 1, 0 };
	ff_call calls[3] = { 0 };
	for (int i = 0; i < 3; i++) {
		calls[i].op = FF_OP_REPORT_USAGE;
		calls[i].deadline_ms = deadlines[i];
		calls[i].in.report = &report;
		calls[i].out.outcome = &outcomes[i];
		calls[i].error = &errors[i];
	}
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_REQUIRE_OK(t, ff_engine_submit(e, calls, 3, ff_test_error(t)));
	FF_CHECK_STR(t, ff_code_name(calls[0].code), "deadline");
	FF_CHECK(t, errors[0].retryable && errors[0].code == FF_E_DEADLINE);
	FF_CHECK_STR(t, ff_code_name(calls[1].code), "ok");
	FF_CHECK_STR(t, ff_code_name(calls[2].code), "ok");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=2");
}

static void capabilities_that_are_required(ff_test *t)
{
	uint64_t given = ff_test_given(t) & FF_CAPS_KNOWN;
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.clock = ff_test_clock(t);
	for (uint64_t cap = 1; cap & FF_CAPS_KNOWN; cap <<= 1) {
		ff_engine *e = NULL;
		options.required_caps = cap;
		ff_code code = ff_engine_open(ff_test_uri(t), &options, &e, ff_test_error(t));
		FF_CHECK_STR(t, ff_code_name(code), given & cap ? "ok" : "unavailable");
		FF_CHECK(t, (code == FF_OK) == (e != NULL));
		FF_CHECK(t, given & cap || strstr(ff_test_error(t)->message, ff_cap_name(cap)));
		ff_engine_close(&e);
	}
}

static void options_out_of_range(ff_test *t)
{
	ff_engine_options good = FF_ENGINE_OPTIONS_INIT, bad[9];
	for (int i = 0; i < 9; i++)
		bad[i] = good;
	bad[0].flags = 1u << 31;
	bad[1].attempts = 101;
	bad[2].backoff_ms = 60001;
	bad[3].batch_calls_max = 1000001;
	bad[4].purge_rows_max = 100001;
	bad[5].purge_slice_ms = 60001;
	bad[6].key_ttl_ms = -1;
	bad[7].required_caps = UINT64_C(1) << 63;
	bad[8].size = 1;
	for (int i = 0; i < 9; i++) {
		ff_engine *e = NULL;
		if (!FF_CHECK_CODE(t, ff_engine_open(ff_test_uri(t), &bad[i], &e, ff_test_error(t)), FF_E_INVALID))
			ff_test_note(t, "options %d", i);
		FF_CHECK(t, e == NULL);
		ff_engine_close(&e);
	}
}

static void uris_that_name_no_store(ff_test *t)
{
	static const char *const bad[] = { "", "nocolon", ":path", "nosuch:path", "sqlite:" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		ff_engine *e = NULL;
		if (!FF_CHECK_CODE(t, ff_engine_open(bad[i], NULL, &e, ff_test_error(t)), FF_E_INVALID))
			ff_test_note(t, "URI '%s'", bad[i]);
		ff_engine_close(&e);
	}
	ff_engine *e = NULL;
	FF_CHECK_CODE(t, ff_engine_open(NULL, NULL, &e, ff_test_error(t)), FF_E_INVALID);
	const char *uri = ff_test_uri(t);
	const char *unknown = ff_test_text(t, "%s%cno_such_parameter=1", uri, strchr(uri, '?') ? '&' : '?');
	FF_CHECK_CODE(t, ff_engine_open(unknown, NULL, &e, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "no_such_parameter") != NULL);
	FF_CHECK(t, e == NULL);
}

static const ff_case table[] = {
	CASE(error_names_what_it_is_about, "FF-ERR-1", 0),
	CASE(error_quotes_any_id, "FF-ERR-1", 0),
	CASE(error_may_be_left_out, "FF-ERR-1", 0),
	CASE(error_of_the_store_names_the_backend, "FF-ERR-1 FF-RU-8", FF_CASE_SECOND_HANDLE),
	CASE(error_changes_nothing_and_may_be_sent_again, "FF-ERR-2", 0),
	CASE(memory_that_runs_out_at_open, "FF-ERR-2", 0),
	CASE(memory_that_runs_out_in_a_call, "FF-ERR-2", FF_CASE_SECOND_HANDLE),
	CASE(arguments_come_before_all, "FF-ERR-3", 0),
	CASE(missing_entity_comes_before_the_key, "FF-ERR-3 FF-RU-7", FF_CASE_SECOND_HANDLE),
	CASE(key_comes_before_corruption, "FF-ERR-3", FF_CASE_SECOND_HANDLE),
	CASE(corruption_comes_before_a_breach, "FF-ERR-3 FF-RU-8", FF_CASE_SECOND_HANDLE),
	CASE(breach_comes_before_overflow, "FF-ERR-3 FF-LIM-4 FF-CB-4", 0),
	CASE(busy_is_retried_and_then_told, "FF-ERR-4 FF-ERR-1 FF-ERR-2", FF_CASE_SECOND_HANDLE | FF_CASE_NO_WAITING),
	CASE(nothing_else_is_retried, "FF-ERR-4", 0),
	CASE(fault_of_the_store_changes_nothing, "FF-ERR-1 FF-ERR-2", FF_CASE_FAULTS),
	CASE(fault_that_may_pass, "FF-ERR-1", FF_CASE_FAULTS),
	CASE(import_with_an_unknown_end, "FF-MT-3 FF-ERR-5", FF_CASE_FAULTS),
	CASE(full_store_is_purged_before_a_reset, "FF-MT-1 FF-RB-4", FF_CASE_FAULTS | FF_CASE_SECOND_HANDLE),
	CASE(contention_is_retried_inside, "FF-ERR-4", FF_CASE_FAULTS),
	CASE(contention_that_does_not_end, "FF-ERR-4", FF_CASE_FAULTS),
	CASE(commit_unknown_is_resolved_by_its_key, "FF-ERR-2 FF-ERR-5", FF_CASE_FAULTS),
	CASE(commit_unknown_beside_a_key_of_before, "FF-ERR-5 FF-ERR-9", FF_CASE_FAULTS | FF_CASE_SECOND_HANDLE),
	CASE(commit_unknown_without_a_key, "FF-ERR-5 FF-ERR-1", FF_CASE_FAULTS),
	CASE(commit_unknown_that_does_not_end, "FF-ERR-5 FF-ERR-1", FF_CASE_FAULTS),
	CASE(calls_on_no_engine, "FF-ERR-6", 0),
	CASE(calls_after_fork, "FF-ERR-6", 0),
	CASE(open_after_fork, "FF-ERR-6 FF-RU-13", FF_CAP_MULTI_PROCESS),
	CASE(a_deadline_before_1970, "FF-ERR-7", 0),
	CASE(deadlines_by_the_data_clock, "FF-ERR-7 FF-CLK-3", 0),
	CASE(calls_past_their_deadline, "FF-ERR-7", 0),
	CASE(capabilities_that_are_required, "FF-ERR-8", 0),
	CASE(options_out_of_range, "FF-ERR-8", 0),
	CASE(uris_that_name_no_store, "FF-ERR-8", 0),
};

FAMILY(ffp_cases_errors, table);
