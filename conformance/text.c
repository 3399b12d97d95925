/* Memory, and texts that grow. */
#include "text.h"

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

bool ffp_string_is_same(const ffp_string *left, const ffp_string *right)
{
	return left->size == right->size && (!left->size || !memcmp(left->data, right->data, left->size));
}
