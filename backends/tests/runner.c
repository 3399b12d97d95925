/* The runner: one case after the other in this process, so that sanitizers see everything; the report is TAP. */
#include "test.h"

#include <ftw.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned checks;
static unsigned failures;
static jmp_buf case_end;
static pid_t runner;
static uint64_t seed;
static uint64_t random_state;

void forget_arena(void);

/* ---- checks ------------------------------------------------------------------------------------------------- */

bool check(bool held, const char *file, int line, const char *format, ...)
{
	checks++;
	if (held)
		return true;
	failures++;
	va_list arguments;
	va_start(arguments, format);
	printf("# %s:%d: ", file, line);
	vprintf(format, arguments);
	printf("\n");
	va_end(arguments);
	return false;
}

bool check_int(int64_t got, int64_t want, const char *file, int line, const char *what)
{
	return check(got == want, file, line, "%s is %" PRId64 ", not %" PRId64, what, got, want);
}

bool check_text(const char *got, const char *want, const char *file, int line, const char *what)
{
	return check(strcmp(got, want) == 0, file, line, "%s is '%s', not '%s'", what, got, want);
}

bool check_code(ff_code got, ff_code want, const char *file, int line, const char *what)
{
	return check(got == want, file, line, "%s answers %s, not %s: %s [%s]", what, ff_code_name(got),
	             ff_code_name(want), error.message, error.native_code);
}

bool case_failed(void)
{
	return failures > 0;
}

void end_case(void)
{
	if (getpid() != runner) {
		fflush(stdout);
		_exit(1);
	}
	longjmp(case_end, 1);
}

uint64_t random_bits(void)
{
	/* splitmix64 */
	uint64_t bits = random_state += UINT64_C(0x9e3779b97f4a7c15);
	bits = (bits ^ bits >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	bits = (bits ^ bits >> 27) * UINT64_C(0x94d049bb133111eb);
	return bits ^ bits >> 31;
}

unsigned random_below(unsigned below)
{
	return (unsigned)(random_bits() % below);
}

/* ---- the run ------------------------------------------------------------------------------------------------ */

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status;
	(void)kind;
	return walk->level ? remove(path) : 0;
}

static void empty_directory(void)
{
	nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static bool run(const test_case *of, unsigned number, bool no_bulk)
{
	if (of->bulk && no_bulk) {
		printf("ok %u - %s [%s] # SKIP BULK\n", number, of->name, of->ids);
		return true;
	}
	checks = failures = 0;
	random_state = seed;
	error = (ff_error){ 0 };
	if (setjmp(case_end) == 0)
		of->run();
	if (checks == 0)
		check(false, __FILE__, __LINE__, "no check was made");
	forget_arena();
	empty_directory();
	printf("%s %u - %s [%s]\n", failures ? "not ok" : "ok", number, of->name, of->ids);
	fflush(stdout);
	return failures == 0;
}

int main(int count, char **arguments)
{
	bool no_bulk = count > 1 && !strcmp(arguments[1], "--no-bulk");
	count -= no_bulk;
	arguments += no_bulk;
	const char *filter = count > 1 ? arguments[1] : "";
	seed = count > 2 ? strtoull(arguments[2], NULL, 0) : UINT64_C(20240607);
	runner = getpid();
	unsigned number = 0;
	unsigned failed = 0;
	if ((subject.prepare && !subject.prepare()) || !mkdtemp(directory))
		return 2;
	printf("# seed %" PRIu64 ", backend %s\n", seed, subject.backend->name);
	for (size_t i = 0; families[i]; i++)
		for (size_t j = 0; j < families[i]->count; j++)
			if (strstr(families[i]->cases[j].name, filter))
				failed += !run(&families[i]->cases[j], ++number, no_bulk);
	printf("1..%u\n", number);
	rmdir(directory);
	return failed || number == 0;
}
