/*
 * The engine over SQLite while a slot fails: the first call of it in one run, the second in the next, and so on through
 * every call that a clean run makes. Whatever failed, the same calls sent again come to the same books. TAP on stdout;
 * exit 1 where a check failed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ff/ff.h>

static char folder[] = "/tmp/ff-sweep-XXXXXX";
static char database[64], trace[64];
static int cases, failures;
static bool case_failed;

#define CHECK(condition, ...)                                                    \
	do {                                                                     \
		if (!(condition)) {                                              \
			printf("# %s:%d: %s: ", __FILE__, __LINE__, #condition); \
			printf(__VA_ARGS__);                                     \
			printf("\n");                                            \
			case_failed = true;                                      \
		}                                                                \
	} while (0)

/* ---- the calls, and what they come to ------------------------------------------------------------------------ */

typedef struct step {
	const char *key;
	uint64_t amount;
	bool is_spend;
	bool applied;
} step;

/* Limits of 100 hard and 80 soft: accepted, refused, spent with a warning, and the first one again. */
static const step steps[] = {
	{ "k1", 60, false, true }, { "k2", 50, false, false }, { "k3", 30, true, true }, { "k1", 60, false, true }
};

#define STEPS (sizeof(steps) / sizeof(*steps))

static ff_engine *open_engine(const char *uri, ff_error *error)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.backoff_ms = 1;
	ff_engine *engine = NULL;
	ff_engine_open(uri, &options, &engine, error);
	return engine;
}

static void make_store(void)
{
	char uri[128], side[80];
	ff_error error = { 0 };
	const ff_limit limit = { "tokens", 100, 80 };
	ff_budget_spec spec = FF_BUDGET_SPEC_INIT;
	spec.budget_id = "b";
	spec.limits = &limit;
	spec.limits_count = 1;
	unlink(database);
	snprintf(side, sizeof(side), "%s-wal", database);
	unlink(side);
	snprintf(uri, sizeof(uri), "sqlite:%s?durability=none", database);
	ff_engine *engine = open_engine(uri, &error);
	CHECK(engine && ff_engine_create_budget(engine, &spec, NULL, &error) == FF_OK, "%s", error.message);
	ff_engine_close(&engine);
}

static ff_code send(ff_engine *engine, const step *asked, ff_outcome *outcome, ff_error *error)
{
	const ff_amount amount = { "tokens", asked->amount };
	ff_spend spend = {
		.report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1, .idempotency_key = asked->key },
		.execution_id = "e"
	};
	return asked->is_spend ? ff_engine_record_spend(engine, &spend, outcome, error)
	                       : ff_engine_report_usage(engine, &spend.report, outcome, error);
}

/* Sends every call until it is answered, at most three times each; answers how many errors there were. */
static unsigned send_all(ff_engine *engine)
{
	unsigned errors = 0;
	for (size_t i = 0; i < STEPS; i++) {
		ff_error error = { 0 };
		ff_outcome outcome = { 0 };
		ff_code code = send(engine, &steps[i], &outcome, &error);
		for (int again = 0; code != FF_OK && again < 2; again++) {
			CHECK(error.message[0] && !strcmp(error.backend, "fault"), "'%s'", error.message);
			errors++;
			code = send(engine, &steps[i], &outcome, &error);
		}
		CHECK(code == FF_OK, "call %zu: %s", i, error.message);
		CHECK(outcome.applied == steps[i].applied, "call %zu", i);
	}
	return errors;
}

static void check_books(void)
{
	char uri[128];
	ff_error error = { 0 };
	const ff_budget_status *status = NULL;
	const ff_released *released = NULL;
	snprintf(uri, sizeof(uri), "sqlite:%s?durability=none", database);
	ff_engine *engine = open_engine(uri, &error);
	if (engine && ff_engine_get_budget_status(engine, "b", &status, &error) == FF_OK) {
		CHECK(status->usage_count == 1 && status->usage[0].amount == 90, "usage");
		CHECK(status->breach_count == 1, "%" PRIu64, status->breach_count);
		CHECK(status->soft_breach_count == 1, "%" PRIu64, status->soft_breach_count);
		CHECK(ff_engine_release_budget(engine, "b", "e", &released, &error) == FF_OK &&
		          released->amounts_count == 1 && released->amounts[0].amount == 30,
		      "%s", error.message);
	} else {
		CHECK(false, "%s", error.message);
	}
	ff_free(released);
	ff_free(status);
	ff_engine_close(&engine);
}

/* ---- sweeps --------------------------------------------------------------------------------------------------- */

/* How many calls of a slot a clean run makes, by its trace: without that of a store which finds that a key was taken for
 * fresh and is not, the last one, which fails by itself. */
static unsigned count_calls(const char *slot)
{
	char uri[256], line[512], total[32];
	unsigned calls = 0, failed = 0;
	ff_error error = { 0 };
	make_store();
	snprintf(uri, sizeof(uri), "trace+sqlite:%s?durability=none&trace_file=%s", database, trace);
	ff_engine *engine = open_engine(uri, &error);
	if (engine)
		CHECK(send_all(engine) == 0, "errors without a fault");
	ff_engine_close(&engine);
	check_books();
	snprintf(total, sizeof(total), "total %s ", slot);
	FILE *file = fopen(trace, "r");
	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, total, strlen(total)))
			CHECK(sscanf(line + strlen(total), "calls=%u failed=%u", &calls, &failed) == 2, "%s", line);
	if (file)
		fclose(file);
	unlink(trace);
	CHECK(calls - failed >= 3 && failed == !strcmp(slot, "store"), "%u calls of %s", calls, slot);
	return calls - failed;
}

/* Lets each call of a slot fail in turn. `errors` is what callers see of one fault: contention and what a key can
 * clear up are dealt with inside. */
static void sweep(const char *slot, const char *fault, unsigned errors, const char *ids)
{
	case_failed = false;
	unsigned calls = count_calls(slot);
	for (unsigned nth = 1; nth <= calls; nth++) {
		char uri[256];
		ff_error error = { 0 };
		make_store();
		snprintf(uri, sizeof(uri), "fault+sqlite:%s?durability=none&slot=%s&nth=%u&%s", database, slot, nth,
		         fault);
		ff_engine *engine = open_engine(uri, &error);
		CHECK(engine, "%s", error.message);
		unsigned seen = engine ? send_all(engine) : 0;
		CHECK(seen == errors, "%u errors where call %u failed", seen, nth);
		ff_engine_close(&engine);
		check_books();
	}
	failures += case_failed;
	printf("%sok %d - sweep: each of %u calls of %s fails, %s [%s]\n", case_failed ? "not " : "", ++cases, calls,
	       slot, fault, ids);
}

/* Contention without end is answered as BUSY, says that a retry may help, and has changed nothing. */
static void endless_contention(const char *slot, const char *word)
{
	char uri[256];
	ff_error error = { 0 };
	ff_outcome outcome;
	case_failed = false;
	make_store();
	snprintf(uri, sizeof(uri), "fault+sqlite:%s?durability=none&slot=%s&error=%s&mode=always", database, slot,
	         word);
	ff_engine *engine = open_engine(uri, &error);
	CHECK(engine && send(engine, &steps[0], &outcome, &error) == FF_E_BUSY, "%s", error.message);
	CHECK(error.retryable && !strcmp(error.operation, "report_usage") && !strcmp(error.id, "b"), "%s",
	      error.operation);
	ff_engine_info info = { 0 };
	CHECK(ff_engine_get_info(engine, &info, &error) == FF_OK && info.retries == 2, "%" PRIu64 " retries",
	      info.retries);
	ff_engine_close(&engine);
	snprintf(uri, sizeof(uri), "sqlite:%s?durability=none", database);
	engine = open_engine(uri, &error);
	CHECK(engine && send_all(engine) == 0, "%s", error.message);
	ff_engine_close(&engine);
	check_books();
	failures += case_failed;
	printf("%sok %d - sweep: %s of %s without end [FF-ERR-1 FF-ERR-2 FF-ERR-4]\n", case_failed ? "not " : "",
	       ++cases, word, slot);
}

/* Whether nothing else was left in the folder. */
static bool clear_away(void)
{
	static const char *const ends[] = { "/ff.db", "/ff.db-wal", "/ff.db-shm", "/trace" };
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s%s", folder, ends[i]);
		remove(path);
	}
	return rmdir(folder) == 0;
}

int main(void)
{
	if (!mkdtemp(folder))
		return 1;
	snprintf(database, sizeof(database), "%s/ff.db", folder);
	snprintf(trace, sizeof(trace), "%s/trace", folder);

	sweep("begin", "error=io", 1, "FF-ERR-2");
	sweep("begin", "error=busy", 0, "FF-ERR-4");
	sweep("load", "error=io", 1, "FF-ERR-2");
	sweep("load", "error=no_memory", 1, "FF-ERR-2");
	sweep("load", "error=conflict", 0, "FF-ERR-4");
	sweep("store", "error=full", 1, "FF-ERR-2 FF-RU-12");
	sweep("store", "error=io&when=after", 1, "FF-ERR-2 FF-RU-12");
	sweep("store", "error=conflict&when=after", 0, "FF-ERR-4");
	sweep("commit", "error=io", 1, "FF-ERR-2 FF-RU-12");
	sweep("commit", "error=full", 1, "FF-ERR-2 FF-RU-12");
	sweep("commit", "error=busy", 0, "FF-ERR-4");
	sweep("commit", "error=commit_unknown", 0, "FF-ERR-2 FF-ERR-5");
	sweep("commit", "error=commit_unknown&when=after", 0, "FF-ERR-2 FF-ERR-5");
	endless_contention("begin", "busy");
	endless_contention("load", "conflict");
	endless_contention("commit", "busy");

	printf("1..%d\n", cases);
	return !clear_away() || failures != 0;
}
