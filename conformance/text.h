/* Memory, and texts that grow. Where memory is out the program ends. */
#ifndef FFP_TEXT_H
#define FFP_TEXT_H

#include <ff/ff.h>

/* As realloc. */
void *ffp_resize(void *memory, size_t size);

/* Begin with zeros. */
typedef struct ffp_string {
	char *data;
	size_t size, capacity;
} ffp_string;

void ffp_string_add(ffp_string *string, const char *format, ...) FF_PRINTF(2, 3);
void ffp_string_clear(ffp_string *string);
void ffp_string_free(ffp_string *string);
bool ffp_string_is_same(const ffp_string *left, const ffp_string *right);

#endif
