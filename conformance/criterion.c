/* The suite under Criterion: each case and configuration is a test in a process of its own. */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include <ff/conformance.h>

/* What is lacking, in words: "SNAPSHOT_READ SECOND_HANDLE". */
static void name_needs(uint64_t needs, char *words, size_t size)
{
	*words = '\0';
	for (unsigned bit = 0; bit < 64; bit++) {
		if (needs >> bit & 1) {
			size_t used = strlen(words);
			snprintf(words + used, size - used, "%s%s", used ? " " : "",
			         ff_case_need_name(UINT64_C(1) << bit));
		}
	}
}

static void run(const char *uri, const char *name)
{
	const ff_case *of = NULL;
	for (size_t i = 0; (of = ff_case_at(i)) && strcmp(of->name, name) != 0;)
		i++;
	cr_assert(of != NULL);
	const ff_harness *harness = ff_harness_for_files(uri);
	cr_assert(harness != NULL);
	ff_harness_info info;
	ff_error error;
	static ff_case_result result;
	ff_code code = ff_harness_probe(harness, &info, &error);
	if (code == FF_OK)
		ff_case_run(of, harness, info.given, 1, &result);
	ff_harness_free(harness);
	cr_assert(code == FF_OK, "%s", error.message);
	if (result.status == FF_CASE_SKIPPED) {
		char words[128];
		name_needs(result.lacking, words, sizeof(words));
		cr_skip("%s", words);
	}
	cr_assert(result.status == FF_CASE_PASSED, "%s", result.failure);
}

#define TEST(configuration, uri, name, ids)           \
	Test(configuration, name, .description = ids) \
	{                                             \
		run(uri, #name);                      \
	}

#include "criterion_tests.h"
