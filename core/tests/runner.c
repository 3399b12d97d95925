/*
 * ff-core-tests: the core's own tests, one after the other in this process, reported by TAP. It forks nothing of its
 * own, so that sanitizers and valgrind see everything.
 */
#include <stdio.h>

#include "tests.h"

/* Whatever a check quotes, the report is plain text. */
static void print_failure(const char *lines)
{
	bool begins = true;
	for (; *lines; lines++) {
		if (begins)
			fputs("# ", stdout);
		begins = *lines == '\n';
		putchar(begins || (*lines >= ' ' && *lines <= '~') ? *lines : '?');
	}
	if (!begins) /* the text was cut */
		putchar('\n');
}

static bool run(const ff_case *of, size_t number, uint64_t given)
{
	static ff_case_result result;
	ff_case_run(of, &ffp_fake_harness, given, 1, &result);
	bool passed = result.status == FF_CASE_PASSED;
	printf("%s %zu - %s [%s]\n", passed ? "ok" : "not ok", number, of->name, of->ids);
	print_failure(result.failure);
	fflush(stdout);
	return passed;
}

/* The cases whose name or ids contain `filter`; all where it is NULL. */
static bool is_chosen(const ff_case *of, const char *filter)
{
	return !filter || strstr(of->name, filter) || strstr(of->ids, filter);
}

int main(int argc, char **argv)
{
	bool lists = argc == 2 && !strcmp(argv[1], "--list");
	const char *filter = argc == 2 && !lists ? argv[1] : NULL;
	ff_harness_info info;
	if (argc > 2 || (filter && *filter == '-')) {
		fputs("usage: ff-core-tests [--list | PART-OF-A-NAME-OR-ID]\n", stderr);
		return 2;
	}
	if (ff_harness_probe(&ffp_fake_harness, &info, NULL) != FF_OK)
		return 1;
	size_t chosen = 0;
	size_t failed = 0;
	for (size_t i = 0; ffp_core_case_at(i); i++) {
		const ff_case *of = ffp_core_case_at(i);
		if (lists)
			printf("%s\t%s\n", of->name, of->ids);
		else if (is_chosen(of, filter))
			failed += !run(of, ++chosen, info.given);
	}
	if (!lists)
		printf("1..%zu\n", chosen);
	return failed || (!lists && !chosen);
}
