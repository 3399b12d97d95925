/*
 * A budget in SQLite as one would write it in an afternoon: a transaction a report, statements prepared once, no batches.
 *
 * Looks the idempotency key up, reads the policy and the usage, compares, writes the usage and the key, commits. Each
 * thread has a connection of its own and waits for the lock by busy_timeout. Not tuned on purpose: the floors of the
 * bench are. Says that it is ready and waits for a line, then prints one JSON object; the latency of each report goes to a file, as doubles in microseconds.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define AMOUNT 1
#define KEY_TTL_MS 86400000

enum statement { BEGIN, FIND_KEY, READ_POLICY, READ_USAGE, ADD_USAGE, COUNT_BREACH, PUT_KEY, COMMIT, STATEMENTS };

static const char *const texts[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[FIND_KEY] = "SELECT outcome FROM seen WHERE budget = ?1 AND key = ?2",
	[READ_POLICY] = "SELECT hard FROM policy WHERE budget = ?1",
	[READ_USAGE] = "SELECT amount FROM usage WHERE budget = ?1",
	[ADD_USAGE] = "INSERT INTO usage VALUES (?1, ?2) ON CONFLICT (budget) DO UPDATE SET amount = amount + ?2",
	[COUNT_BREACH] = "UPDATE policy SET breaches = breaches + 1 WHERE budget = ?1",
	[PUT_KEY] = "INSERT INTO seen VALUES (?1, ?2, ?3, ?4)",
	[COMMIT] = "COMMIT",
};

struct run {
	const char *path;
	const char *pragmas;
	int budgets;
	int64_t limit;
	double seconds;
	long reports; /* 0: until the seconds are over */
	long keys;    /* 0: each report has a key of its own */
	atomic_long sent;
	double deadline_us;
};

struct worker {
	struct run *run;
	pthread_t thread;
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS];
	long accepted;
	long refused;
	long replayed;
	double *latency_us;
	size_t latency_count;
	size_t latency_capacity;
};

static void die(sqlite3 *db, const char *what)
{
	fprintf(stderr, "naive: %s: %s\n", what, db ? sqlite3_errmsg(db) : "failed");
	exit(1);
}

static double now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void execute(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
		die(db, sql);
	}
}

static sqlite3 *open_store(const struct run *run)
{
	sqlite3 *db = NULL;

	if (sqlite3_open(run->path, &db) != SQLITE_OK) {
		die(db, run->path);
	}
	sqlite3_busy_timeout(db, 60000);
	execute(db, run->pragmas);
	return db;
}

static int64_t number_of(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	int64_t number;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK || sqlite3_step(statement) != SQLITE_ROW) {
		die(db, sql);
	}
	number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return number;
}

/* ---- one report ---- */

/* Runs a statement; a row's number is left in *number where there is one. */
static int step(struct worker *worker, enum statement which, int64_t *number)
{
	sqlite3_stmt *statement = worker->statements[which];
	int result = sqlite3_step(statement);

	if (result == SQLITE_ROW && number) {
		*number = sqlite3_column_int64(statement, 0);
	}
	if (result != SQLITE_ROW && result != SQLITE_DONE) {
		die(worker->db, texts[which]);
	}
	sqlite3_reset(statement);
	return result;
}

static void bind_budget(struct worker *worker, const char *budget)
{
	static const enum statement with_budget[] = { FIND_KEY,  READ_POLICY,  READ_USAGE,
		                                      ADD_USAGE, COUNT_BREACH, PUT_KEY };

	for (size_t i = 0; i < sizeof with_budget / sizeof *with_budget; i++) {
		sqlite3_bind_text(worker->statements[with_budget[i]], 1, budget, -1, SQLITE_STATIC);
	}
}

static void report(struct worker *worker, const char *budget, const char *key)
{
	int64_t limit = 0;
	int64_t used = 0;
	int refused;

	bind_budget(worker, budget);
	step(worker, BEGIN, NULL);
	sqlite3_bind_text(worker->statements[FIND_KEY], 2, key, -1, SQLITE_STATIC);
	if (step(worker, FIND_KEY, NULL) == SQLITE_ROW) {
		worker->replayed++;
		step(worker, COMMIT, NULL);
		return;
	}
	step(worker, READ_POLICY, &limit);
	step(worker, READ_USAGE, &used);
	refused = limit > 0 && AMOUNT > limit - used;
	if (refused) {
		step(worker, COUNT_BREACH, NULL);
		worker->refused++;
	} else {
		sqlite3_bind_int64(worker->statements[ADD_USAGE], 2, AMOUNT);
		step(worker, ADD_USAGE, NULL);
		worker->accepted++;
	}
	sqlite3_bind_text(worker->statements[PUT_KEY], 2, key, -1, SQLITE_STATIC);
	sqlite3_bind_text(worker->statements[PUT_KEY], 3, refused ? "HardBreach" : "Ok", -1, SQLITE_STATIC);
	sqlite3_bind_int64(worker->statements[PUT_KEY], 4, (int64_t)time(NULL) * 1000 + KEY_TTL_MS);
	step(worker, PUT_KEY, NULL);
	step(worker, COMMIT, NULL);
}

/* ---- the threads ---- */

static void note_latency(struct worker *worker, double latency_us)
{
	if (worker->latency_count == worker->latency_capacity) {
		worker->latency_capacity = worker->latency_capacity ? worker->latency_capacity * 2 : 1 << 16;
		worker->latency_us = realloc(worker->latency_us, worker->latency_capacity * sizeof *worker->latency_us);
		if (!worker->latency_us) {
			die(NULL, "memory");
		}
	}
	worker->latency_us[worker->latency_count++] = latency_us;
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct run *run = worker->run;

	for (;;) {
		long number = atomic_fetch_add(&run->sent, 1);
		double began_us = now_us();
		char budget[32];
		char key[32];

		if (run->reports ? number >= run->reports : began_us >= run->deadline_us) {
			return NULL;
		}
		number = run->keys ? number % run->keys : number;
		snprintf(budget, sizeof budget, "budget-%ld", number % run->budgets);
		snprintf(key, sizeof key, "key-%020ld", number);
		report(worker, budget, key);
		note_latency(worker, now_us() - began_us);
	}
}

static void make_tables(const struct run *run)
{
	sqlite3 *db = open_store(run);

	execute(db,
	        "CREATE TABLE policy (budget TEXT PRIMARY KEY, hard INTEGER, breaches INTEGER DEFAULT 0);"
	        "CREATE TABLE usage (budget TEXT PRIMARY KEY, amount INTEGER);"
	        "CREATE TABLE seen (budget TEXT, key TEXT, outcome TEXT, expires INTEGER, PRIMARY KEY (budget, key));"
	        "CREATE INDEX seen_expires ON seen (expires); BEGIN");
	for (int i = 0; i < run->budgets; i++) {
		char *sql = sqlite3_mprintf("INSERT INTO policy (budget, hard) VALUES ('budget-%d', %lld)", i,
		                            (long long)run->limit);

		execute(db, sql);
		sqlite3_free(sql);
	}
	execute(db, "COMMIT");
	sqlite3_close(db);
}

static void start(struct worker *worker, struct run *run)
{
	worker->run = run;
	worker->db = open_store(run);
	for (int i = 0; i < STATEMENTS; i++) {
		if (sqlite3_prepare_v2(worker->db, texts[i], -1, &worker->statements[i], NULL) != SQLITE_OK) {
			die(worker->db, texts[i]);
		}
	}
}

static void finish(struct worker *worker, FILE *latencies)
{
	if (fwrite(worker->latency_us, sizeof *worker->latency_us, worker->latency_count, latencies) !=
	    worker->latency_count) {
		die(NULL, "latencies");
	}
	free(worker->latency_us);
	for (int i = 0; i < STATEMENTS; i++) {
		sqlite3_finalize(worker->statements[i]);
	}
	sqlite3_close(worker->db);
}

static void report_all(struct run *run, int threads, const char *latencies)
{
	struct worker *workers = calloc((size_t)threads, sizeof *workers);
	FILE *file = fopen(latencies, "wb");
	long accepted = 0;
	long refused = 0;
	long replayed = 0;
	double began_us;
	double seconds;

	if (!workers || !file) {
		die(NULL, latencies);
	}
	for (int i = 0; i < threads; i++) {
		start(&workers[i], run);
	}
	puts("ready");
	fflush(stdout);
	getchar();
	began_us = now_us();
	run->deadline_us = began_us + run->seconds * 1e6;
	for (int i = 0; i < threads; i++) {
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) {
			die(NULL, "pthread_create");
		}
	}
	for (int i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
	}
	seconds = (now_us() - began_us) / 1e6;
	for (int i = 0; i < threads; i++) {
		accepted += workers[i].accepted;
		refused += workers[i].refused;
		replayed += workers[i].replayed;
		finish(&workers[i], file);
	}
	free(workers);
	if (fclose(file)) {
		die(NULL, latencies);
	}
	printf("{\"seconds\":%.6f,\"accepted\":%ld,\"refused\":%ld,\"replayed\":%ld,\"failed\":0,", seconds, accepted,
	       refused, replayed);
}

int main(int count, char **words)
{
	struct run run = { 0 };
	sqlite3 *db;

	if (count != 10) {
		fprintf(stderr, "usage: naive PATH PRAGMAS THREADS BUDGETS LIMIT SECONDS REPORTS KEYS LATENCIES\n");
		return 2;
	}
	run.path = words[1];
	run.pragmas = words[2];
	run.budgets = atoi(words[4]);
	run.limit = strtoll(words[5], NULL, 10);
	run.seconds = atof(words[6]);
	run.reports = atol(words[7]);
	run.keys = atol(words[8]);
	make_tables(&run);
	report_all(&run, atoi(words[3]), words[9]);
	db = open_store(&run);
	printf("\"usage\":%" PRId64 "}\n", number_of(db, "SELECT coalesce(sum(amount), 0) FROM usage"));
	sqlite3_close(db);
	return 0;
}
