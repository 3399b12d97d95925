/*
 * JSON as the contract wants it (FF-LIM-6): cJSON reads it, behind a look at the text itself, because cJSON keeps
 * numbers as doubles, takes the last of two members and ignores what follows. Writing goes into an arena.
 */
#ifndef FFP_JSON_H
#define FFP_JSON_H

#include <cjson/cJSON.h>

#include <ff/backend.h>

/* The value that the whole text is, or NULL and in *fault what is wrong with it; NULL there, too: memory is out.
 * cJSON_Delete gives it back. */
cJSON *ffp_json_parse(ff_text text, const char **fault);

/* An object's member by its exact name, or NULL. */
const cJSON *ffp_json_member(const cJSON *object, const char *name);

/* Reads an integer 0 … INT64_MAX, from a number or a decimal string. False where it is none. */
bool ffp_json_int64(const cJSON *item, int64_t *value);

/* The same for any integer, below zero too. */
bool ffp_json_signed(const cJSON *item, int64_t *value);

/* Text that grows in an arena. Where memory is out, `failed` is set and further writes do nothing. */
typedef struct ffp_writer {
	ff_arena *arena;
	char *data;
	size_t size;
	size_t room;
	bool failed;
} ffp_writer;

void ffp_write_raw(ffp_writer *writer, const char *text);
void ffp_write_string(ffp_writer *writer, ff_text text);
/* A number where it is -2^53 … 2^53, else a decimal string. */
void ffp_write_int64(ffp_writer *writer, int64_t value);
/* What was written, with a NUL after it that is not counted; data is NULL where memory was out. */
ff_text ffp_written(ffp_writer *writer);

#endif
