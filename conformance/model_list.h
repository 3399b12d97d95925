/* Lists of structs in byte order of their names: all that the model stores. */
#ifndef FFP_MODEL_LIST_H
#define FFP_MODEL_LIST_H

#include <stddef.h>

/* Items of one size, in byte order of the name that each begins with. A name of two parts is joined by a newline, which
 * no name holds and which comes before all that one may hold. */
typedef struct ffp_model_list {
	char *items;
	size_t count, size;
} ffp_model_list;

void *ffp_list_at(const ffp_model_list *of, size_t i);

/* The item of a name, or NULL. */
void *ffp_list_find(const ffp_model_list *of, const char *name);

/* The item of a name, made of zeros where there is none. Pointers to others are no longer good. */
void *ffp_list_make(ffp_model_list *of, const char *name, size_t size);
void ffp_list_drop(ffp_model_list *of, void *item);

/* Walks a list. (The formatter knows a loop by this name.) */
#define foreach(type, item, of) \
	for (type *item = ffp_list_at(of, 0), *item##_end = ffp_list_at(of, (of)->count); item != item##_end; item++)

#endif
