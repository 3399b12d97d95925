/* The write-ahead log. */
#include "sqlite_test.h"

#include <stdio.h>
#include <stdlib.h>

static void the_log_does_not_grow_for_ever(void)
{
	ff_store *store = must_open(path_of("a.db"));
	char *bytes = calloc(1, 100000);
	REQUIRE(bytes != NULL);
	memset(bytes, 'x', 100000);
	odd_row row = odd("a", 1, "c", 1);
	row.w = (ff_text){ bytes, 100000 };
	REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
	for (int64_t i = 1; i < 400; i++) {
		odd_row after = row;
		after.v = i + 1;
		bytes[i] = 'y';
		ff_row *loaded = get_row(store, odd_v1(), &row.row);
		REQUIRE_OK(put_row(store, odd_v1(), loaded, &after.row));
	}
	/* 40 MB went through it; a statement left un-reset would keep every page of them. */
	FILE *log = fopen(path_of("a.db-wal"), "rb");
	REQUIRE(log != NULL);
	fseek(log, 0, SEEK_END);
	CHECK(ftell(log) < (8 << 20));
	fclose(log);
	free(bytes);
	close_store(store);
}

static const test_case cases[] = {
	CASE(the_log_does_not_grow_for_ever, ""),
};
FAMILY(cases_log, cases);
