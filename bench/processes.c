/*
 * Several processes on one store: workers, each with a side of its own, that share the operations of a slice. They are
 * forked before this process opens the store, for an engine does not outlive a fork. Requests are handed out by a counter
 * in memory that all of them see, and so is counted what was accepted.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

void *bench_share(size_t count, size_t size)
{
	void *memory = mmap(NULL, count * size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		bench_die("memory is out");
	return memory;
}

void bench_unshare(void *memory, size_t count, size_t size)
{
	munmap(memory, count * size);
}

/* ---- what is said --------------------------------------------------------------------------------------------- */

/* The requests of a slice, by their numbers. */
typedef struct order {
	uint64_t from;
	uint64_t end;
} order;

/* What a worker says after each slice, and once before the first. */
typedef struct answer {
	bench_stretch took;
	bench_usage used;
	double peak_bytes;
	double engine_peak_bytes;
	bench_histogram latencies;
} answer;

/* Both are about the whole of it, and false where the other side is gone. No signal is handled here that could interrupt. */
static bool say(int socket, const void *what, size_t size)
{
	return send(socket, what, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static bool hear(int socket, void *what, size_t size)
{
	return recv(socket, what, size, MSG_WAITALL) == (ssize_t)size;
}

/* ---- a worker ------------------------------------------------------------------------------------------------- */

static void do_slice(const bench_hand *hand, void *side, const order *what, answer *told)
{
	bench_usage before = bench_usage_now();
	hand->report(side, what->from, what->end, &told->latencies, &told->took);
	bench_usage after = bench_usage_now();
	told->used =
	    (bench_usage){ after.cpu_seconds - before.cpu_seconds, after.written_bytes - before.written_bytes };
	told->peak_bytes = bench_peak_bytes();
	told->engine_peak_bytes = hand->memory ? (double)hand->memory(side)->peak : 0;
}

static _Noreturn void be_worker(const bench_hand *hand, void *side, int socket)
{
	answer *told = bench_allocate(1, sizeof(*told));
	order what;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* without the one that sums up there is nothing to do */
	bench_peak_restart();
	hand->open(side);
	while (say(socket, told, sizeof(*told)) && hear(socket, &what, sizeof(what))) {
		*told = (answer){ 0 };
		do_slice(hand, side, &what, told);
	}
	hand->close(side);
	_exit(BENCH_DONE);
}

/* ---- all of them ---------------------------------------------------------------------------------------------- */

struct bench_workers {
	bench_workers *next; /* of another side */
	bench_reports *reports;
	answer told;
	double peak_bytes, engine_peak_bytes; /* of all, in the last slice */
	unsigned count;
	struct {
		pid_t process;
		int socket;
	} each[];
};

static bench_workers *running; /* none in a worker */

/* However this process comes to its end, it is theirs: what they work on is taken away then. */
static void kill_running(void)
{
	for (const bench_workers *workers = running; workers; workers = workers->next)
		for (unsigned i = 0; i < workers->count; i++)
			kill(workers->each[i].process, SIGKILL);
}

/* A worker knows no other: else it would not see that the other end of its socket was closed. */
static void forget_running(void)
{
	for (const bench_workers *workers = running; workers; workers = workers->next)
		for (unsigned i = 0; i < workers->count; i++)
			close(workers->each[i].socket);
	running = NULL;
}

static void hear_from(bench_workers *workers, unsigned i)
{
	if (!hear(workers->each[i].socket, &workers->told, sizeof(workers->told)))
		bench_die("one of %u processes has ended", workers->count);
}

bench_workers *bench_workers_start(const bench_hand *hand, void *side, bench_reports *reports)
{
	static bool registered;
	unsigned count = reports->shape->processes;
	bench_workers *workers = bench_allocate(1, sizeof(*workers) + count * sizeof(workers->each[0]));
	workers->reports = reports;
	workers->next = running;
	if (!registered)
		registered = atexit(kill_running) == 0;
	running = workers;
	for (; workers->count < count; workers->count++) {
		int pair[2];
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
			bench_die("cannot make a socket: %s", strerror(errno));
		pid_t process = fork();
		if (process < 0)
			bench_die("cannot start a process: %s", strerror(errno));
		if (process == 0) {
			forget_running();
			close(pair[0]);
			be_worker(hand, side, pair[1]);
		}
		close(pair[1]);
		workers->each[workers->count].process = process;
		workers->each[workers->count].socket = pair[0];
	}
	for (unsigned i = 0; i < count; i++)
		hear_from(workers, i);
	return workers;
}

/* Hears one of those that have not answered yet, of which `open` has the sockets; one that has died is heard, too. */
static void hear_next(bench_workers *workers, struct pollfd *open)
{
	while (poll(open, workers->count, -1) < 0)
		if (errno != EINTR)
			bench_die("cannot wait for processes: %s", strerror(errno));
	for (unsigned i = 0; i < workers->count; i++)
		if (open[i].revents) {
			open[i].fd = -1;
			hear_from(workers, i);
			return;
		}
}

void bench_workers_slice(void *context, uint64_t ops, bench_slice *slice)
{
	bench_workers *workers = context;
	bench_reports *reports = workers->reports;
	const order what = { reports->next, reports->next + ops };
	uint64_t began_ns = UINT64_MAX, ended_ns = 0;
	struct pollfd *open = bench_allocate(workers->count, sizeof(*open));
	for (unsigned i = 0; i < workers->count; i++) {
		open[i] = (struct pollfd){ .fd = workers->each[i].socket, .events = POLLIN };
		say(open[i].fd, &what, sizeof(what));
	}
	workers->peak_bytes = workers->engine_peak_bytes = 0;
	for (unsigned i = 0; i < workers->count; i++) {
		const answer *told = &workers->told;
		hear_next(workers, open);
		began_ns = told->took.began_ns < began_ns ? told->took.began_ns : began_ns;
		ended_ns = told->took.ended_ns > ended_ns ? told->took.ended_ns : ended_ns;
		bench_merge(&reports->latencies, &told->latencies);
		bench_usage_add(told->used);
		workers->peak_bytes += told->peak_bytes;
		workers->engine_peak_bytes += told->engine_peak_bytes;
	}
	free(open);
	reports->next = what.end; /* each thread took one more to see the end */
	*slice = (bench_slice){ ops, (double)(ended_ns - began_ns) / 1e9 };
}

void bench_workers_end(bench_workers *workers, double *peak_bytes, double *engine_peak_bytes)
{
	for (unsigned i = 0; i < workers->count; i++) {
		int status;
		close(workers->each[i].socket);
		while (waitpid(workers->each[i].process, &status, 0) < 0 && errno == EINTR)
			;
		if (status != 0)
			bench_die("one of %u processes has failed", workers->count);
	}
	for (bench_workers **at = &running; *at; at = &(*at)->next)
		if (*at == workers) {
			*at = workers->next;
			break;
		}
	*peak_bytes = workers->peak_bytes;
	*engine_peak_bytes = workers->engine_peak_bytes;
	free(workers);
}
