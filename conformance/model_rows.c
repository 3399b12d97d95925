/* Memory, texts that grow, and lists in byte order. */
#include "model_rows.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *ffp_resize(void *memory, size_t size)
{
	memory = realloc(memory, size ? size : 1);
	if (!memory) {
		fputs("ff-conformance: out of memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	return memory;
}

void ffp_string_clear(ffp_string *string)
{
	string->size = 0;
	if (string->data)
		*string->data = '\0';
}

void ffp_string_free(ffp_string *string)
{
	free(string->data);
	*string = (ffp_string){ .data = NULL };
}

void ffp_string_add(ffp_string *string, const char *format, ...)
{
	va_list arguments;
	size_t room = string->capacity - string->size;
	va_start(arguments, format);
	size_t length = (size_t)vsnprintf(room ? string->data + string->size : NULL, room, format, arguments);
	va_end(arguments);
	if (length >= room) {
		string->capacity = 2 * string->capacity + length + 256;
		string->data = ffp_resize(string->data, string->capacity);
		va_start(arguments, format);
		vsnprintf(string->data + string->size, length + 1, format, arguments);
		va_end(arguments);
	}
	string->size += length;
}

void *ffp_list_at(const ffp_model_list *of, size_t i)
{
	return i ? of->items + i * of->size : of->items;
}

void *ffp_list_find(const ffp_model_list *of, const char *name)
{
	for (size_t i = 0; i < of->count; i++) {
		if (!strcmp(ffp_list_at(of, i), name))
			return ffp_list_at(of, i);
	}
	return NULL;
}

void *ffp_list_make(ffp_model_list *of, const char *name, size_t size)
{
	void *found = ffp_list_find(of, name);
	if (found)
		return found;
	of->size = size;
	of->items = ffp_resize(of->items, (of->count + 1) * size);
	size_t at = 0;
	while (at < of->count && strcmp(ffp_list_at(of, at), name) < 0)
		at++;
	char *made = ffp_list_at(of, at);
	memmove(made + size, made, (of->count++ - at) * size);
	memset(made, 0, size);
	memcpy(made, name, strlen(name));
	return made;
}

void ffp_list_drop(ffp_model_list *of, void *item)
{
	char *end = ffp_list_at(of, of->count--);
	char *next = (char *)item + of->size;
	memmove(item, next, (size_t)(end - next));
}
