/*
 * Reports usage to a Redis server through report.lua, from many connections at once.
 *
 * One thread serves all connections with epoll, and each connection keeps a fixed number of reports under way; so the
 * client costs little beside the server, which is what is measured. A command is a template in which only the key and
 * the budget's number change. Prints one JSON object: what was accepted, refused and failed, and the usage that the
 * server holds in the end. The latency of each report goes to a file, as doubles in microseconds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#define NUMBER_DIGITS 20
#define DIMENSION "tokens"
#define AMOUNT 1
#define KEY_TTL_MS "86400000"

struct options {
	int port;
	int connections;
	int depth;
	int budgets;
	double seconds;
	long reports; /* 0: until the seconds are over */
	long keys;    /* 0: each report has a key of its own */
	const char *limit;
	const char *script;
	const char *latencies;
};

/* A connection and when its reports under way were sent, as a ring. */
struct connection {
	redisContext *redis;
	double *sent_us;
	int first;
	int count;
	bool wants_write;
};

struct run {
	struct options options;
	char *command;
	size_t command_length;
	size_t key_at;
	size_t budget_at[2];
	long sent;
	long accepted;
	long refused;
	long replayed;
	long failed;
	double deadline_us;
	double *latency_us;
	size_t latency_count;
	size_t latency_capacity;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "redis client: %s: %s\n", what, why);
	exit(1);
}

static double now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void *must(void *memory)
{
	if (!memory) {
		die("memory", "there is none left");
	}
	return memory;
}

static redisContext *connect_to(int port)
{
	redisContext *redis = redisConnect("127.0.0.1", port);

	if (!redis || redis->err) {
		die("connect", redis ? redis->errstr : "no memory");
	}
	return redis;
}

static redisReply *checked(redisContext *redis, redisReply *reply)
{
	if (!reply || reply->type == REDIS_REPLY_ERROR) {
		die("server", reply ? reply->str : redis->errstr);
	}
	return reply;
}

/* ---- the command ---- */

static void put_number(char *digits, long number)
{
	for (int i = NUMBER_DIGITS - 1; i >= 0; i--) {
		digits[i] = (char)('0' + number % 10);
		number /= 10;
	}
}

static size_t offset_of(const struct run *run, const char *text)
{
	const char *found = memmem(run->command, run->command_length, text, strlen(text));

	if (!found) {
		die("template", text);
	}
	return (size_t)(found - run->command) + strlen(text);
}

/* Writes the command once, with zeros where the numbers go. */
static void make_command(struct run *run, const char *sha)
{
	char zeros[NUMBER_DIGITS + 1];
	char policy[64];
	char usage[64];
	char key[64];
	long long length;

	snprintf(zeros, sizeof zeros, "%0*d", NUMBER_DIGITS, 0);
	snprintf(policy, sizeof policy, "policy:%s", zeros);
	snprintf(usage, sizeof usage, "usage:%s", zeros);
	snprintf(key, sizeof key, "key:%s", zeros);
	length = redisFormatCommand(&run->command, "EVALSHA %s 3 %s %s %s %s %s %s %s %d", sha, policy, usage, key,
	                            "1700000000000", KEY_TTL_MS, "9f86d081884c7d65", DIMENSION, AMOUNT);
	if (length < 0) {
		die("template", "it cannot be formatted");
	}
	run->command_length = (size_t)length;
	run->budget_at[0] = offset_of(run, "policy:");
	run->budget_at[1] = offset_of(run, "usage:");
	run->key_at = offset_of(run, "key:");
}

/* ---- the reports ---- */

/* A key's budget: all alike often, in no order. */
static long pick_budget(const struct run *run, long key)
{
	uint64_t mixed = ((uint64_t)key + 1) * UINT64_C(0x9e3779b97f4a7c15);

	return (long)((mixed >> 32) % (uint64_t)run->options.budgets);
}

static bool may_send(const struct run *run, double time_us)
{
	if (run->options.reports) {
		return run->sent < run->options.reports;
	}
	return time_us < run->deadline_us;
}

static void send_report(struct run *run, struct connection *connection, double time_us)
{
	long key = run->options.keys ? run->sent % run->options.keys : run->sent;
	long budget = pick_budget(run, key);
	int slot = (connection->first + connection->count) % run->options.depth;

	put_number(run->command + run->key_at, key);
	put_number(run->command + run->budget_at[0], budget);
	put_number(run->command + run->budget_at[1], budget);
	if (redisAppendFormattedCommand(connection->redis, run->command, run->command_length) != REDIS_OK) {
		die("send", connection->redis->errstr);
	}
	connection->sent_us[slot] = time_us;
	connection->count++;
	run->sent++;
}

static void note_latency(struct run *run, double latency_us)
{
	if (run->latency_count == run->latency_capacity) {
		run->latency_capacity = run->latency_capacity ? run->latency_capacity * 2 : 1 << 20;
		run->latency_us = must(realloc(run->latency_us, run->latency_capacity * sizeof *run->latency_us));
	}
	run->latency_us[run->latency_count++] = latency_us;
}

static void note_outcome(struct run *run, const redisReply *reply)
{
	const char *outcome = NULL;

	if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 0) {
		outcome = reply->element[0]->str;
	}
	if (!outcome) {
		fprintf(stderr, "redis client: %s\n", reply->str ? reply->str : "an answer of another form");
		run->failed++;
	} else if (!strcmp(outcome, "OK") || !strcmp(outcome, "SOFT_BREACH")) {
		run->accepted++;
	} else if (!strcmp(outcome, "HARD_BREACH")) {
		run->refused++;
	} else if (!strcmp(outcome, "REPLAYED")) {
		run->replayed++;
	} else {
		run->failed++;
	}
}

/* ---- the connections ---- */

static void flush(int poll, struct connection *connection)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
	int done = 0;

	if (redisBufferWrite(connection->redis, &done) != REDIS_OK) {
		die("send", connection->redis->errstr);
	}
	if (!done) {
		event.events |= EPOLLOUT;
	}
	if (connection->wants_write == !done) {
		return;
	}
	connection->wants_write = !done;
	if (epoll_ctl(poll, EPOLL_CTL_MOD, connection->redis->fd, &event)) {
		die("epoll", strerror(errno));
	}
}

/* Takes the answers that are there and sends as many reports anew; answers the number taken. */
static int take_answers(struct run *run, struct connection *connection)
{
	int taken = 0;
	double time_us;

	if (redisBufferRead(connection->redis) != REDIS_OK) {
		die("receive", connection->redis->errstr);
	}
	time_us = now_us();
	for (;;) {
		void *answer = NULL;

		if (redisGetReplyFromReader(connection->redis, &answer) != REDIS_OK) {
			die("receive", connection->redis->errstr);
		}
		if (!answer) {
			break;
		}
		note_outcome(run, answer);
		freeReplyObject(answer);
		note_latency(run, time_us - connection->sent_us[connection->first]);
		connection->first = (connection->first + 1) % run->options.depth;
		connection->count--;
		taken++;
	}
	for (int i = 0; i < taken && may_send(run, time_us); i++) {
		send_report(run, connection, time_us);
	}
	return taken;
}

static struct connection *open_connections(const struct run *run, int poll)
{
	struct connection *all = must(calloc((size_t)run->options.connections, sizeof *all));

	for (int i = 0; i < run->options.connections; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = &all[i] };

		all[i].redis = connect_to(run->options.port);
		all[i].redis->flags &= ~REDIS_BLOCK;
		all[i].sent_us = must(calloc((size_t)run->options.depth, sizeof *all[i].sent_us));
		if (redisEnableKeepAlive(all[i].redis) != REDIS_OK ||
		    epoll_ctl(poll, EPOLL_CTL_ADD, all[i].redis->fd, &event)) {
			die("epoll", strerror(errno));
		}
	}
	return all;
}

static double report_all(struct run *run)
{
	int poll = epoll_create1(EPOLL_CLOEXEC);
	struct connection *all = open_connections(run, poll);
	struct epoll_event events[256];
	long under_way = 0;
	double began_us;

	puts("ready");
	fflush(stdout);
	getchar();
	began_us = now_us();
	run->deadline_us = began_us + run->options.seconds * 1e6;
	for (int i = 0; i < run->options.connections; i++) {
		while (all[i].count < run->options.depth && may_send(run, began_us)) {
			send_report(run, &all[i], now_us());
		}
		flush(poll, &all[i]);
	}
	under_way = run->sent;
	while (under_way > 0) {
		int ready = epoll_wait(poll, events, (int)(sizeof events / sizeof *events), -1);

		for (int i = 0; i < ready; i++) {
			struct connection *connection = events[i].data.ptr;
			long before = run->sent;

			if (events[i].events & ~(uint32_t)EPOLLOUT) {
				under_way -= take_answers(run, connection);
			}
			under_way += run->sent - before;
			flush(poll, connection);
		}
	}
	return (now_us() - began_us) / 1e6;
}

/* ---- before and after ---- */

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	char *text = must(calloc(1, 1 << 16));

	if (!file || fread(text, 1, (1 << 16) - 1, file) == 0) {
		die(path, "it cannot be read");
	}
	fclose(file);
	return text;
}

static void set_up(struct run *run, redisContext *redis)
{
	char *script = read_file(run->options.script);
	redisReply *loaded = checked(redis, redisCommand(redis, "SCRIPT LOAD %s", script));

	make_command(run, loaded->str);
	freeReplyObject(loaded);
	free(script);
	freeReplyObject(checked(redis, redisCommand(redis, "FLUSHALL")));
	for (int i = 0; i < run->options.budgets; i++) {
		char policy[64];

		snprintf(policy, sizeof policy, "policy:%0*d", NUMBER_DIGITS, i);
		freeReplyObject(
		    checked(redis, redisCommand(redis, "HSET %s hard:" DIMENSION " %s", policy, run->options.limit)));
	}
}

static int64_t usage_of_all(const struct run *run, redisContext *redis)
{
	int64_t sum = 0;

	for (int i = 0; i < run->options.budgets; i++) {
		char usage[64];
		redisReply *reply;

		snprintf(usage, sizeof usage, "usage:%0*d", NUMBER_DIGITS, i);
		reply = checked(redis, redisCommand(redis, "HGET %s " DIMENSION, usage));
		if (reply->type == REDIS_REPLY_STRING) {
			sum += strtoll(reply->str, NULL, 10);
		}
		freeReplyObject(reply);
	}
	return sum;
}

static void write_latencies(const struct run *run)
{
	FILE *file = fopen(run->options.latencies, "wb");

	if (!file || fwrite(run->latency_us, sizeof *run->latency_us, run->latency_count, file) != run->latency_count ||
	    fclose(file)) {
		die(run->options.latencies, "it cannot be written");
	}
}

int main(int count, char **words)
{
	struct run run = { 0 };
	redisContext *redis;
	double seconds;

	if (count != 11) {
		fprintf(stderr,
		        "usage: client PORT CONNECTIONS DEPTH BUDGETS LIMIT SECONDS REPORTS KEYS SCRIPT LATENCIES\n");
		return 2;
	}
	run.options = (struct options){ .port = atoi(words[1]),
		                        .connections = atoi(words[2]),
		                        .depth = atoi(words[3]),
		                        .budgets = atoi(words[4]),
		                        .limit = words[5],
		                        .seconds = atof(words[6]),
		                        .reports = atol(words[7]),
		                        .keys = atol(words[8]),
		                        .script = words[9],
		                        .latencies = words[10] };
	redis = connect_to(run.options.port);
	set_up(&run, redis);
	seconds = report_all(&run);
	write_latencies(&run);
	printf("{\"seconds\":%.6f,\"accepted\":%ld,\"refused\":%ld,\"replayed\":%ld,\"failed\":%ld,\"usage\":%" PRId64
	       "}\n",
	       seconds, run.accepted, run.refused, run.replayed, run.failed, usage_of_all(&run, redis));
	return 0;
}
