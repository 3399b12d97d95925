/* What the fuzzers share. */
#ifndef FF_FUZZ_H
#define FF_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ff/ff.h>

/* libFuzzer calls this for each input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What has to hold. libFuzzer keeps the input that disproves it. */
#define MUST(what)                                                                         \
	do {                                                                               \
		if (!(what)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
			abort();                                                           \
		}                                                                          \
	} while (0)

/* The instant that every engine's clock shows. */
static int64_t fuzz_now_ms;

static inline int64_t fuzz_tell_time(void *context)
{
	(void)context;
	return fuzz_now_ms;
}

static inline void fuzz_no_sleep(void *context, uint32_t ms)
{
	(void)context;
	(void)ms;
}

static inline ff_engine *fuzz_open(void)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	ff_clock clock = { .now_ms = fuzz_tell_time, .sleep_ms = fuzz_no_sleep };
	options.clock = &clock;
	options.key_ttl_ms = 1000;
	ff_engine *engine = NULL;
	MUST(ff_engine_open("sqlite::memory:", &options, &engine, NULL) == FF_OK);
	return engine;
}

/* An export; the text is the caller's. */
typedef struct fuzz_lines {
	char *text;
	size_t size;
} fuzz_lines;

static inline ff_code fuzz_add_line(void *context, const char *line, size_t size, ff_error *error)
{
	(void)error;
	fuzz_lines *all = context;
	all->text = realloc(all->text, all->size + size + 1);
	MUST(all->text);
	memcpy(all->text + all->size, line, size);
	all->size += size;
	all->text[all->size++] = '\n';
	return FF_OK;
}

static inline fuzz_lines fuzz_export(ff_engine *engine)
{
	fuzz_lines all = { NULL, 0 };
	MUST(ff_engine_export(engine, 0, fuzz_add_line, &all, NULL) == FF_OK);
	return all;
}

static inline void fuzz_told_problem(void *context, const char *problem)
{
	(void)context;
	fprintf(stderr, "check: %s\n", problem);
	abort();
}

static inline void fuzz_must_be_sound(ff_engine *engine)
{
	MUST(ff_engine_check(engine, fuzz_told_problem, NULL, NULL) == FF_OK);
}

static inline void fuzz_must_export_same(ff_engine *a, ff_engine *b)
{
	fuzz_lines of_a = fuzz_export(a);
	fuzz_lines of_b = fuzz_export(b);
	if (of_a.size != of_b.size || memcmp(of_a.text, of_b.text, of_a.size) != 0) {
		fprintf(stderr, "the first:\n%.*sthe second:\n%.*s", (int)of_a.size, of_a.text, (int)of_b.size,
		        of_b.text);
		abort();
	}
	free(of_a.text);
	free(of_b.text);
}

#endif
