/* Stores in files: what any backend that has them does with its path, its durability and what is damaged. */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "test.h"

static void durability_is_what_was_asked_for(ff_test *t)
{
	static const char *const durabilities[][3] = {
		[FF_DURABILITY_FULL] = { "durability", "full", NULL },
		[FF_DURABILITY_NORMAL] = { "durability", "normal", NULL },
		[FF_DURABILITY_NONE] = { "durability", "none", NULL },
	};
	ff_store *store;
	ff_store_limits limits;
	for (int i = FF_DURABILITY_FULL; i <= FF_DURABILITY_NONE; i++) {
		FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, durabilities[i], &store));
		FF_REQUIRE_OK(t, subject.backend->limits(store, &limits, ff_test_error(t)));
		FF_CHECK_EQ_INT(t, limits.durability, i);
		FF_CHECK_EQ_INT(t, (limits.caps & FF_CAP_DURABLE_COMMIT) != 0, i == FF_DURABILITY_FULL);
		FF_CHECK(t, (limits.caps & FF_CAP_MULTI_PROCESS) && (limits.caps & FF_CAP_SNAPSHOT_READ));
		size_t length = strlen(subject.backend->name);
		FF_CHECK(t, strncasecmp(limits.version, subject.backend->name, length) == 0);
		FF_CHECK(t, strspn(limits.version + length, " ") == 1 &&
		                isdigit((unsigned char)limits.version[length + 1]));
		close_store(store);
	}
}

static void a_relative_path_stays_where_it_was(ff_test *t)
{
	char before[4096];
	FF_REQUIRE(t, getcwd(before, sizeof(before)) && chdir(directory(t)) == 0);
	ff_store *store = must_open(t, "file:a.db?mode=ro&x=%41");
	FF_REQUIRE(t, chdir("/") == 0);
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1);
	close_store(store);
	FF_CHECK(t, file_exists(data_of(t, path_of(t, "file:a.db?mode=ro&x=%41"))));
	FF_CHECK_EQ_INT(t, count_files(t), 1);
	FF_CHECK(t, chdir(before) == 0);
}

/* ---- damage -------------------------------------------------------------------------------------------------- */

enum { BUDGETS = 125, FLIPS = 60, ID_SIZE = 4 };

/* No two differ in one bit alone, and each is found in the file. */
static const char *id_of(ff_test *t, unsigned i)
{
	static const char digits[] = "03569";
	return ff_test_text(t, "b%c%c%c", digits[i / 25], digits[i / 5 % 5], digits[i % 5]);
}

/* Turns a bit of one of the places where a file has these words over; there are some. */
static void turn_bit_over(ff_test *t, const char *path, const char *words)
{
	char *bytes;
	size_t size, places = 0;
	FILE *file = fopen(path, "r+");
	FF_REQUIRE(t, file && fseek(file, 0, SEEK_END) == 0);
	size = (size_t)ftell(file);
	bytes = ff_test_alloc(t, size);
	rewind(file);
	FF_REQUIRE(t, fread(bytes, 1, size, file) == size);
	char *at = NULL;
	for (char *next = bytes; (next = memmem(next, size - (size_t)(next - bytes), words, ID_SIZE)); next += ID_SIZE)
		if (ff_test_random_below(t, ++places) == 0)
			at = next;
	FF_REQUIRE(t, at != NULL);
	at += ff_test_random_below(t, ID_SIZE);
	*at = (char)(*at ^ 1 << ff_test_random_below(t, 7));
	FF_CHECK(t, fseek(file, at - bytes, SEEK_SET) == 0 && fputc(*at, file) != EOF);
	FF_CHECK(t, fclose(file) == 0);
}

static unsigned count_words(const char *text, const char *words)
{
	unsigned count = 0;
	for (; (text = strstr(text, words)); text += strlen(words))
		count++;
	return count;
}

/* Of a budget whose row is damaged, or one beside it, is said what it has, or that it has nothing, or CORRUPT. */
static void check_damaged(ff_test *t, ff_engine *e)
{
	for (unsigned i = 0; i < BUDGETS; i++) {
		const char *usage = ffp_usage(t, e, id_of(t, i));
		if (*usage && strcmp(usage, "!corrupt") != 0 && strcmp(usage, "!not_found") != 0)
			FF_CHECK_STR(t, usage, ff_test_text(t, "d=%u", 2 * i + 1));
	}
	const char *lines = ffp_export(t, e, 0);
	if (*lines != '!')
		FF_CHECK_EQ_INT(t, count_words(lines, "\"table\":\"ff_budget_usage\""), BUDGETS);
}

/* A bit of a key that turns over makes no look for another one end at that row, and no export tell rows twice or leave
 * some out. */
static void bits_of_keys_turn_over(ff_test *t)
{
	const char *sound = path_of(t, "sound"), *path = path_of(t, "a.db");
	ff_engine *e = ff_test_open_uri(t, ff_test_text(t, "%s:%s", subject.backend->name, sound), NULL);
	for (unsigned i = 0; i < BUDGETS; i++) {
		FF_CHECK_STR(t, ffp_create(t, e, id_of(t, i), "d=1000"), "created");
		FF_CHECK_STR(t, ffp_report(t, e, id_of(t, i), "", ff_test_text(t, "d=%u", 2 * i + 1)), "ok");
	}
	ff_test_undo(t, e);
	for (unsigned i = 0; i < FLIPS; i++) {
		copy_store(t, sound, path);
		turn_bit_over(t, data_of(t, path), id_of(t, (unsigned)ff_test_random_below(t, BUDGETS)));
		e = ff_test_open_uri(t, ff_test_text(t, "%s:%s", subject.backend->name, path), NULL);
		check_damaged(t, e);
		ff_test_undo(t, e);
		remove_store(path);
	}
}

/* An execution's rows that come the wrong way round are not taken for what it has: some of them would not be found by their
 * keys, or be another one's. */
static void rows_of_a_tree_that_is_out_of_order(ff_test *t)
{
	const char *path = path_of(t, "a.db");
	const char *uri = ff_test_text(t, "%s:%s", subject.backend->name, path);
	ff_engine *e = ff_test_open_uri(t, uri, NULL);
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=1 b=2 c=3"), "ok");
	ff_test_undo(t, e);
	subject.turn_round(t, path, "ff_budget_usage_by_exec");
	e = ff_test_open_uri(t, uri, NULL);
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "!corrupt");
	FF_CHECK_EQ_INT(t, ff_test_sleeps(t), 0);
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "y", "", "a=1"), "ok"); /* another's rows are sound */
	FF_CHECK_STR(t, ffp_release(t, e, "b", "y"), "a=1");
}

static const ff_case cases[] = {
	CASE(durability_is_what_was_asked_for, "", 0),
	CASE(a_relative_path_stays_where_it_was, "", 0),
	CASE(bits_of_keys_turn_over, "FF-RU-8 FF-MT-2", 0),
	CASE(rows_of_a_tree_that_is_out_of_order, "FF-RU-8 FF-ERR-4", 0),
};
FAMILY(cases_stores, cases);
