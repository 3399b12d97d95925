/* The turn to write, and the file that processes share it by. */
#include "sqlite_test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../seat.h"
#include "../turn.h"

/* Where the file has these, each a number of 32 bits. */
enum { KIND_AT = 0, GIVES_AT = 4, WAITING_AT = 8, FILE_MAX = 4096 };

#define LONG_US 20000000

/* A user who is not root. */
#define OTHERS_ID 65534

static struct stat like_mode(mode_t mode)
{
	return (struct stat){ .st_mode = S_IFREG | mode, .st_uid = geteuid(), .st_gid = getegid() };
}

static ffp_turn open_turn(ff_test *t, const char *name)
{
	const struct stat like = like_mode(0644);
	ffp_turn turn = { 0 };
	FF_REQUIRE(t, ffp_turn_open(&turn, AT_FDCWD, path_of(t, name), &like) == 0);
	return turn;
}

static int take_within(const ffp_turn *turn, int64_t limit_us)
{
	ff_wait wait = { .limit_us = limit_us };
	return ffp_turn_take(turn, &wait);
}

/* The numbers of a file that is open, until the case ends. */
static _Atomic uint32_t *numbers_of(ff_test *t, const char *name)
{
	int file = open(path_of(t, name), O_RDWR | O_CLOEXEC);
	void *memory = mmap(NULL, FILE_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	FF_REQUIRE(t, memory != MAP_FAILED);
	return memory;
}

static _Atomic uint32_t *number_at(_Atomic uint32_t *numbers, size_t at)
{
	return numbers + at / sizeof(*numbers);
}

static void one_has_the_turn(ff_test *t)
{
	ffp_turn one = open_turn(t, "turn"), other = open_turn(t, "turn"), none = { 0 };
	FF_CHECK_EQ_INT(t, take_within(&one, 0), 0);
	FF_CHECK_EQ_INT(t, take_within(&other, 0), EBUSY);
	FF_CHECK_EQ_INT(t, take_within(&none, 0), 0);
	ffp_turn_give(&none);
	ffp_turn_give(&one);
	FF_CHECK_EQ_INT(t, take_within(&other, 0), 0);
	FF_CHECK_EQ_INT(t, take_within(&one, 2000), EBUSY);
	ff_wait wait = { .limit_us = 3000 };
	FF_CHECK_EQ_INT(t, ffp_turn_take(&one, &wait), EBUSY);
	FF_CHECK(t, wait.slept_us >= wait.limit_us);
	ffp_turn_give(&other);
	ffp_turn_close(&one);
	ffp_turn_close(&other);
	ffp_turn_close(&none);
}

/* What one tells of the last commit the other sees; where there is no turn, nobody knows. */
static void whether_a_commit_is_loose_is_told(ff_test *t)
{
	ffp_turn one = open_turn(t, "turn"), other = open_turn(t, "turn"), none = { 0 };
	FF_CHECK(t, ffp_turn_is_loose(&one) && ffp_turn_is_loose(&none));
	ffp_turn_set_loose(&one, false);
	ffp_turn_set_loose(&none, false);
	FF_CHECK(t, !ffp_turn_is_loose(&other) && ffp_turn_is_loose(&none));
	ffp_turn_set_loose(&other, true);
	FF_CHECK(t, ffp_turn_is_loose(&one));
	ffp_turn_close(&one);
	ffp_turn_close(&other);
}

/* A child that has begun, and told so. */
static pid_t fork_child(ff_test *t, process_fn *body)
{
	int ends[2];
	char byte;
	FF_REQUIRE(t, pipe(ends) == 0);
	pid_t child = start_process(t, body, ends[1]);
	close(ends[1]);
	FF_REQUIRE(t, read(ends[0], &byte, 1) == 1);
	close(ends[0]);
	return child;
}

static int take_and_end(ff_test *t, int told)
{
	ffp_turn turn = open_turn(t, "turn");
	FF_CHECK_EQ_INT(t, take_within(&turn, 0), 0);
	FF_REQUIRE(t, write(told, "!", 1) == 1);
	pause();
	return 0;
}

static void the_turn_of_who_died_is_taken(ff_test *t)
{
	ffp_turn turn = open_turn(t, "turn");
	pid_t process = fork_child(t, take_and_end);
	FF_CHECK_EQ_INT(t, take_within(&turn, 0), EBUSY);
	kill_process(t, process);
	FF_CHECK_EQ_INT(t, take_within(&turn, LONG_US), 0);
	ffp_turn_give(&turn);
	ffp_turn_close(&turn);
}

typedef struct waiter {
	ffp_turn turn;
	int result;
	atomic_bool done;
} waiter;

static void *wait_for_turn(void *context)
{
	waiter *self = context;
	self->result = take_within(&self->turn, LONG_US);
	if (self->result == 0)
		ffp_turn_give(&self->turn);
	self->done = true;
	return NULL;
}

/* Who waits says so, and is told of a give. */
static void who_waits_is_told(ff_test *t)
{
	pthread_t thread;
	ffp_turn one = open_turn(t, "turn");
	waiter other = { .turn = open_turn(t, "turn") };
	_Atomic uint32_t *numbers = numbers_of(t, "turn");
	FF_CHECK_EQ_INT(t, take_within(&one, 0), 0);
	ffp_turn_give(&one);
	FF_CHECK_EQ_INT(t, *number_at(numbers, GIVES_AT), 0); /* nobody waited, so nobody is woken */
	FF_CHECK_EQ_INT(t, take_within(&one, 0), 0);
	FF_REQUIRE(t, pthread_create(&thread, NULL, wait_for_turn, &other) == 0);
	while (!*number_at(numbers, WAITING_AT) && !other.done)
		;
	ffp_turn_give(&one);
	pthread_join(thread, NULL);
	FF_CHECK_EQ_INT(t, other.result, 0);
	FF_CHECK_EQ_INT(t, *number_at(numbers, WAITING_AT), 0);
	munmap(numbers, FILE_MAX);
	ffp_turn_close(&one);
	ffp_turn_close(&other.turn);
}

/* Who comes leaves the turn to those who wait, for the moment that they need to wake; they may have died. */
static void who_comes_leaves_it_to_who_waits(ff_test *t)
{
	ffp_turn turn = open_turn(t, "turn");
	_Atomic uint32_t *numbers = numbers_of(t, "turn");
	*number_at(numbers, WAITING_AT) = 1;
	int64_t began_us = ffp_monotonic_us();
	FF_CHECK_EQ_INT(t, take_within(&turn, LONG_US), 0);
	FF_CHECK(t, ffp_monotonic_us() - began_us >= 1000);
	FF_CHECK_EQ_INT(t, *number_at(numbers, WAITING_AT), 0);
	ffp_turn_give(&turn);
	munmap(numbers, FILE_MAX);
	ffp_turn_close(&turn);
}

static void the_last_removes_the_file(ff_test *t)
{
	const char *path = path_of(t, "turn");
	ffp_turn one = open_turn(t, "turn"), other = open_turn(t, "turn");
	ffp_turn_remove(&one, AT_FDCWD, path);
	FF_CHECK(t, file_exists(path));
	ffp_turn_remove(&other, AT_FDCWD, path);
	FF_CHECK(t, !file_exists(path));
	/* And leaves another one's. */
	one = open_turn(t, "turn");
	FF_REQUIRE(t, unlink(path) == 0);
	other = open_turn(t, "turn");
	ffp_turn_remove(&one, AT_FDCWD, path);
	FF_CHECK(t, file_exists(path));
	ffp_turn_remove(&other, AT_FDCWD, path);
	FF_CHECK_EQ_INT(t, count_files(t), 0);
}

static ffp_turn inherited;

static int close_inherited(ff_test *t, int told)
{
	ffp_turn_remove(&inherited, AT_FDCWD, path_of(t, "turn"));
	FF_REQUIRE(t, write(told, "!", 1) == 1);
	return 0;
}

static int keep_inherited(ff_test *t, int told)
{
	FF_REQUIRE(t, write(told, "!", 1) == 1);
	pause();
	return 0;
}

/* A child that was forked takes nothing away from its parent, nor keeps what its parent closes. */
static void a_child_has_no_part_in_it(ff_test *t)
{
	int status = -1;
	inherited = open_turn(t, "turn");
	pid_t child = fork_child(t, close_inherited);
	FF_CHECK(t, waitpid(child, &status, 0) == child && status == 0);
	FF_CHECK(t, file_exists(path_of(t, "turn")));
	ffp_turn other = open_turn(t, "turn");
	ffp_turn_close(&other);
	child = fork_child(t, keep_inherited);
	int late = open(path_of(t, "turn"), O_RDWR | O_CLOEXEC);
	ffp_turn_remove(&inherited, AT_FDCWD, path_of(t, "turn"));
	FF_CHECK(t, !file_exists(path_of(t, "turn")));
	FF_CHECK(t, flock(late, LOCK_EX | LOCK_NB) == 0); /* who has opened it just now finds out */
	close(late);
	kill_process(t, child);
}

static atomic_uint *inside;

static int open_take_and_remove(ff_test *t, int number)
{
	(void)number;
	for (unsigned i = 0; i < 500; i++) {
		ffp_turn turn = open_turn(t, "turn");
		struct stat ours, named;
		FF_REQUIRE(t, fstat(turn.file, &ours) == 0 && stat(path_of(t, "turn"), &named) == 0);
		FF_CHECK(t, ours.st_ino == named.st_ino);
		FF_REQUIRE(t, take_within(&turn, LONG_US) == 0);
		FF_CHECK_EQ_INT(t, atomic_fetch_add(inside, 1), 0);
		FF_CHECK_EQ_INT(t, atomic_fetch_sub(inside, 1), 1);
		ffp_turn_give(&turn);
		ffp_turn_remove(&turn, AT_FDCWD, path_of(t, "turn"));
	}
	return 0;
}

/* Two who open one file while a third removes it have one turn all the same. */
static void those_who_come_and_go_have_one_turn(ff_test *t)
{
	inside = mmap(NULL, sizeof(*inside), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	FF_REQUIRE(t, inside != MAP_FAILED);
	in_processes(t, 4, open_take_and_remove);
	munmap(inside, sizeof(*inside));
	FF_CHECK_EQ_INT(t, count_files(t), 0);
}

static mode_t mode_of(ff_test *t, const char *name)
{
	struct stat status;
	FF_REQUIRE(t, stat(path_of(t, name), &status) == 0);
	return status.st_mode & 07777;
}

/* Who may write to the store may take the turn, whatever mask the first one had. */
static void the_file_has_the_rights_of_the_store(ff_test *t)
{
	static const mode_t modes[] = { 0666, 0600, 0640 };
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		const char *path = path_of(t, "turn");
		const struct stat like = like_mode(07000 | modes[i]);
		ffp_turn turn = { 0 };
		FF_REQUIRE(t, ffp_turn_open(&turn, AT_FDCWD, path, &like) == 0);
		FF_CHECK_EQ_INT(t, mode_of(t, "turn"), modes[i]);
		ffp_turn_remove(&turn, AT_FDCWD, path);
	}
	if (geteuid() != 0)
		return;
	/* What root makes belongs to who has the store, and who has it is trusted. */
	struct stat like = like_mode(0644), status;
	like.st_uid = like.st_gid = OTHERS_ID;
	ffp_turn one = { 0 }, other = { 0 };
	FF_REQUIRE(t, ffp_turn_open(&one, AT_FDCWD, path_of(t, "turn"), &like) == 0);
	FF_REQUIRE(t, stat(path_of(t, "turn"), &status) == 0);
	FF_CHECK(t, status.st_uid == OTHERS_ID && status.st_gid == OTHERS_ID);
	FF_CHECK_EQ_INT(t, ffp_turn_open(&other, AT_FDCWD, path_of(t, "turn"), &like), 0);
	ffp_turn_close(&one);
	ffp_turn_close(&other);
}

/* Opens the turn in vain, and leaves what has its name as it is. */
static void find_none(ff_test *t, const char *name, int want)
{
	const struct stat like = like_mode(0644);
	ffp_turn turn = { 0 };
	int descriptors = count_descriptors();
	uint64_t was = file_hash(path_of(t, name));
	errno = 0;
	FF_CHECK_EQ_INT(t, ffp_turn_open(&turn, AT_FDCWD, path_of(t, name), &like), want);
	FF_CHECK(t, !turn.memory);
	ffp_turn_remove(&turn, AT_FDCWD, path_of(t, name));
	FF_CHECK(t, file_hash(path_of(t, name)) == was);
	FF_CHECK_EQ_INT(t, count_descriptors(), descriptors);
}

static int find_what_may_not_be_written(ff_test *t, int number)
{
	(void)number;
	drop_rights(t);
	find_none(t, "turn", 0);
	find_none(t, "closed/turn", 0);
	/* One's own is trusted, also beside a store of another. */
	struct stat like = like_mode(0666);
	like.st_uid = 0;
	ffp_turn one = { 0 }, other = { 0 };
	FF_CHECK_EQ_INT(t, ffp_turn_open(&one, AT_FDCWD, path_of(t, "own"), &like), 0);
	FF_CHECK_EQ_INT(t, ffp_turn_open(&other, AT_FDCWD, path_of(t, "own"), &like), 0);
	FF_CHECK(t, one.memory && other.memory);
	ffp_turn_close(&one);
	ffp_turn_close(&other);
	return 0;
}

/* Who cannot have the turn is told why, or does without; and somebody's own file stays as it is. */
static void where_there_is_no_turn(ff_test *t)
{
	static const char zeros[FILE_MAX];
	find_none(t, "none/turn", ENOENT);
	FF_CHECK(t, symlink("elsewhere", path_of(t, "link")) == 0 && mkdir(path_of(t, "directory"), 0700) == 0);
	find_none(t, "link", EEXIST);
	find_none(t, "directory", EEXIST);
	write_file(t, path_of(t, "text"), "SQLite format 3", 16);
	find_none(t, "text", EEXIST);
	write_file(t, path_of(t, "long"), zeros, sizeof(zeros));
	find_none(t, "long", EEXIST);
	ffp_turn turn = open_turn(t, "turn");
	FF_CHECK(t, link(path_of(t, "turn"), path_of(t, "twice")) == 0);
	find_none(t, "twice", EEXIST);
	FF_CHECK(t, unlink(path_of(t, "twice")) == 0 && chmod(path_of(t, "turn"), 0664) == 0);
	find_none(t, "turn", EEXIST); /* who may not write to the store may write to this */
	FF_CHECK(t, chmod(path_of(t, "turn"), 0644) == 0);
	if (geteuid() == 0 && FF_CHECK(t, chown(path_of(t, "turn"), OTHERS_ID, OTHERS_ID) == 0))
		find_none(t, "turn", EEXIST); /* another user's */
	FF_CHECK(t, chown(path_of(t, "turn"), geteuid(), getegid()) == 0);
	FF_CHECK(t, chmod(path_of(t, "turn"), 0400) == 0 && chmod(directory(t), 0777) == 0);
	FF_CHECK(t, mkdir(path_of(t, "closed"), 0555) == 0);
	FF_CHECK_EQ_INT(t, in_process(t, find_what_may_not_be_written, 0), 0);
	ffp_turn_close(&turn);
}

/* Nobody's lock on the file is waited for without end. */
static void a_file_that_is_locked(ff_test *t)
{
	write_file(t, path_of(t, "turn"), "", 0);
	int file = open(path_of(t, "turn"), O_RDONLY | O_CLOEXEC);
	FF_REQUIRE(t, file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0);
	find_none(t, "turn", EBUSY);
	close(file);
	ffp_turn turn = open_turn(t, "turn");
	FF_CHECK(t, turn.memory != NULL);
	ffp_turn_remove(&turn, AT_FDCWD, path_of(t, "turn"));
}

/* A process of another word size has the file open: its mutex is none of ours. */
static void what_is_laid_out_in_another_way(ff_test *t)
{
	int descriptors = count_descriptors();
	ffp_turn one = open_turn(t, "turn");
	_Atomic uint32_t *numbers = numbers_of(t, "turn");
	*number_at(numbers, KIND_AT) -= 16;
	find_none(t, "turn", EEXIST);
	ffp_turn_close(&one);
	/* Nobody has it now. */
	ffp_turn other = open_turn(t, "turn");
	FF_CHECK(t, other.memory != NULL);
	FF_CHECK(t, ffp_turn_is_loose(&other));
	ffp_turn_close(&other);
	munmap(numbers, FILE_MAX);
	FF_CHECK_EQ_INT(t, count_descriptors(), descriptors);
}

static const ff_case cases[] = {
	CASE(one_has_the_turn, "FF-ERR-4", 0),
	CASE(whether_a_commit_is_loose_is_told, "", 0),
	CASE(the_turn_of_who_died_is_taken, "FF-ERR-4", 0),
	CASE(who_waits_is_told, "FF-ERR-4", 0),
	CASE(who_comes_leaves_it_to_who_waits, "FF-ERR-4", 0),
	CASE(the_last_removes_the_file, "", 0),
	CASE(a_child_has_no_part_in_it, "", 0),
	CASE(those_who_come_and_go_have_one_turn, "FF-ERR-4", 0),
	CASE(the_file_has_the_rights_of_the_store, "", 0),
	CASE(where_there_is_no_turn, "", 0),
	CASE(a_file_that_is_locked, "", 0),
	CASE(what_is_laid_out_in_another_way, "", 0),
};
FAMILY(cases_turn, cases);
